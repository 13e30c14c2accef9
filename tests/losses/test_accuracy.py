"""Where textbook formulas cancel or overflow: closed forms against arithmetic of hundreds of digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradline import losses
from gradline.losses.gamma_function import digamma_excess, trigamma_excess


class TestNothingCancels:
    """Full relative accuracy where the textbook formula keeps none, against hundreds of digits."""

    def exact(self, function, points):
        mpmath = pytest.importorskip("mpmath")
        with mpmath.workdps(700):
            return np.array([float(function(mpmath, mpmath.mpf(float(point)))) for point in points])

    points = np.array(
        [-700.0, -300.0, -60.0, -38.0, -5.0, -0.51, -0.49, -1e-3, -1e-8, 1e-12, 1e-5, 0.3, 0.5, 0.7, 4.0, 37.0, 80.0, 350.0, 700.0]
    )

    def test_log_cosh(self):
        value, gradient, curvature = losses.log_cosh.elementwise(np.zeros(self.points.size), self.points, 2)
        np.testing.assert_allclose(value, self.exact(lambda mp, x: mp.log(mp.cosh(x)), self.points), rtol=2e-15)
        np.testing.assert_allclose(gradient, self.exact(lambda mp, x: mp.tanh(x), self.points), rtol=2e-15)
        np.testing.assert_allclose(curvature, self.exact(lambda mp, x: mp.sech(x) ** 2, self.points), rtol=2e-15)

    @pytest.mark.parametrize("label", [0.0, 1.0])
    def test_logistic(self, label):
        sign = 1 - 2 * label
        value, gradient, curvature = losses.logistic.elementwise(np.full(self.points.size, label), self.points, 2)
        np.testing.assert_allclose(value, self.exact(lambda mp, x: mp.log1p(mp.exp(sign * x)), self.points), rtol=4e-15)
        np.testing.assert_allclose(gradient, self.exact(lambda mp, x: sign / (1 + mp.exp(-sign * x)), self.points), rtol=2e-15)
        np.testing.assert_allclose(curvature, self.exact(lambda mp, x: 1 / (2 + mp.exp(x) + mp.exp(-x)), self.points), rtol=2e-15)

    @pytest.mark.parametrize("label", [0.0, 1.0, 2.0])
    def test_multinomial(self, label):
        other = 0.25
        predictors = np.column_stack([self.points, np.full(self.points.size, other)])
        found = losses.multinomial(3).derivatives(np.full((self.points.size, 1), label), predictors, 2)

        def share(mp, x, which):
            scores = [mp.mpf(0), x, mp.mpf(other)]
            return mp.exp(scores[which]) / sum(mp.exp(score) for score in scores)

        value = self.exact(lambda mp, x: -mp.log(share(mp, x, int(label))), self.points)
        gradient = self.exact(lambda mp, x: share(mp, x, 1) - (label == 1), self.points)
        curvature = self.exact(lambda mp, x: share(mp, x, 1) * (1 - share(mp, x, 1)), self.points)
        np.testing.assert_allclose(found.value, value, rtol=5e-15)
        np.testing.assert_allclose(found.gradient[:, 0], gradient, rtol=5e-15)
        np.testing.assert_allclose(found.curvature[:, 0, 0], curvature, rtol=5e-15)

    def test_tukey_near_zero(self):
        points = np.array([1e-9, 1e-6, 1e-3])
        value = losses.tukey(4.685).elementwise(np.zeros(3), points, 0)[0]
        c = 4.685
        expected = self.exact(lambda mp, x: mp.mpf(c) ** 2 / 6 * (1 - (1 - (x / mp.mpf(c)) ** 2) ** 3), points)
        np.testing.assert_allclose(value, expected, rtol=1e-15)

    def test_poisson_large_counts(self):
        counts = np.array([127.0, 128.0, 129.0, 1023.0, 1024.0, 5e4, 1e6, 1e9])
        for off in (0.0, 1e-9, 1e-3, -0.2):
            predictors = np.log(counts) + off
            value = losses.poisson.elementwise(counts, predictors, 0)[0]
            mpmath = pytest.importorskip("mpmath")
            with mpmath.workdps(60):
                pairs = [(mpmath.mpf(float(y)), mpmath.mpf(float(eta))) for y, eta in zip(counts, predictors, strict=True)]
                expected = np.array([float(mpmath.exp(eta) - y * eta + mpmath.loggamma(y + 1)) for y, eta in pairs])
            # What is left is the rounding of eta itself: its last bit moves half the deviance by y |t| eps eta.
            rounding = 4e-16 * counts * np.abs(np.expm1(off) + 1e-9) * np.log(counts)
            assert (np.abs(value - expected) <= 1e-13 * np.abs(expected) + rounding).all()

    def test_negative_binomial_far_out(self):
        found = losses.negative_binomial(0.5).elementwise(np.array([3.0, 0.0]), np.array([700.0, -700.0]), 2)
        # theta p - y q with p = 1, and (theta + y) p q with q, then p, tiny.
        np.testing.assert_allclose(found[1], [2.0, math.exp(-700.0)], rtol=1e-13)
        np.testing.assert_allclose(found[2], [5.0 * math.exp(-700.0 - math.log(0.5)), 2.0 * math.exp(-700.0 + math.log(0.5))], rtol=1e-12)

    @pytest.mark.parametrize("count", [0, 1, 7, 3000])
    @pytest.mark.parametrize("eta", [-3.0, 0.0, 1.3, 6.0])
    def test_negative_binomial_near_the_limit(self, count, eta):
        """Where the value is a small difference of large logarithms of gamma functions, beside what it is made of."""
        mpmath = pytest.importorskip("mpmath")
        log_dispersion = np.arange(-40.0, 3.0, 0.25)
        predictors = np.column_stack([np.full(log_dispersion.size, eta), log_dispersion])
        found = losses.negative_binomial().derivatives(np.full((log_dispersion.size, 1), float(count)), predictors, 0).value
        with mpmath.workdps(60):
            mean, y = mpmath.exp(mpmath.mpf(eta)), mpmath.mpf(count)

            def exact(s):
                theta = mpmath.exp(-mpmath.mpf(float(s)))
                constant = mpmath.loggamma(y + theta) - mpmath.loggamma(theta) - mpmath.loggamma(y + 1)
                return float(-(constant - theta * mpmath.log1p(mean / theta) + y * mpmath.log(mean / (theta + mean))))

            expected = np.array([exact(s) for s in log_dispersion])
        size = np.abs(expected) + np.exp(eta) + count * (1.0 + abs(eta))
        assert (np.abs(found - expected) / size).max() < 4e-15

    @pytest.mark.parametrize("count", [0.0, 1.0, 7.0, 300.0])
    def test_negative_binomial_of_every_dispersion(self, count):
        """Close to Poisson the parts of the dispersion's derivatives are a million times their sum."""
        mpmath = pytest.importorskip("mpmath")
        log_dispersion = np.array([-40.0, -20.0, -12.0, -5.0, -3.5, -3.4, 0.0, 3.0, 30.0])
        eta = np.full(log_dispersion.size, 0.7)
        found = losses.negative_binomial().derivatives(np.full((eta.size, 1), count), np.column_stack([eta, log_dispersion]), 2)

        def loss(s):
            theta, mean, y = mpmath.exp(-s), mpmath.exp(mpmath.mpf(0.7)), mpmath.mpf(count)
            constant = mpmath.loggamma(y + theta) - mpmath.loggamma(theta) - mpmath.loggamma(y + 1)
            return -(constant - theta * mpmath.log1p(mean / theta) + y * mpmath.log(mean / (theta + mean)))

        with mpmath.workdps(80):
            points = [mpmath.mpf(float(s)) for s in log_dispersion]
            for part, order in ((found.value, 0), (found.gradient[:, 1], 1), (found.curvature[:, 1, 1], 2)):
                exact = np.array([float(mpmath.diff(loss, s, order) if order else loss(s)) for s in points])
                np.testing.assert_allclose(part, exact, rtol=1e-9, atol=1e-12 * max(count, 1.0))

    @pytest.mark.parametrize("z", [-1e8, -700.0, -50.1, -49.9, -30.0, -5.0, -0.1, 0.0, 2.0, 9.0, 37.0])
    def test_probit(self, z):
        mpmath = pytest.importorskip("mpmath")
        value, gradient, curvature = losses.probit.elementwise(np.ones(1), np.array([z]), 2)
        with mpmath.workdps(60):
            x = mpmath.mpf(z)
            if x < -1000:
                # Mills' series, far beyond where it has these digits.
                ratio = -x * (1 + 1 / x**2 - 2 / x**4)
            else:
                with mpmath.workdps(30 + int(abs(z) * abs(z))) if abs(z) < 60 else mpmath.workdps(60):
                    ratio = mpmath.npdf(x) / mpmath.ncdf(x) if x > -200 else -x * (1 + 1 / x**2 - 2 / x**4 + 10 / x**6 - 74 / x**8)
            assert gradient[0] == pytest.approx(-float(ratio), rel=1e-13)
            assert curvature[0] == pytest.approx(float(ratio * (ratio + x)), rel=5e-12)
        assert np.isfinite(value).all()

    @pytest.mark.parametrize(
        ("a", "b"), [(-9.0, -8.9999999), (0.3, 0.30001), (-1e-9, 1e-9), (20.0, 21.0), (-30.0, 30.0), (5.0, 9.0), (-6.0, -2.0)]
    )
    @pytest.mark.parametrize("link", ["logit", "probit"])
    def test_the_probability_of_an_interval(self, a, b, link):
        mpmath = pytest.importorskip("mpmath")
        predictors = np.array([[0.0, a, b]])
        found = losses.ordinal(3, link).derivatives(np.ones((1, 1)), predictors, 2)
        with mpmath.workdps(400):
            cdf = mpmath.ncdf if link == "probit" else lambda x: 1 / (1 + mpmath.exp(-x))
            low, high = mpmath.mpf(a), mpmath.mpf(b)

            def loss(eta):
                return -mpmath.log(cdf(high - eta) - cdf(low - eta))

            assert found.value[0] == pytest.approx(float(loss(mpmath.mpf(0))), rel=1e-13, abs=1e-15)
            assert found.gradient[0, 0] == pytest.approx(float(mpmath.diff(loss, 0)), rel=1e-9, abs=1e-15)
            assert found.curvature[0, 0, 0] == pytest.approx(float(mpmath.diff(loss, 0, 2)), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("theta", [1e10, 1e100, 1e160, 1e260])
def test_differences_of_gamma_functions_near_poissons_limit(theta):
    """Of their own size y, where squares of theta leave the range of a double too."""
    y = np.array([0.0, 1.0, 5.0])
    np.testing.assert_allclose(digamma_excess(np.full(3, theta), y), y, rtol=1e-9)
    np.testing.assert_allclose(trigamma_excess(np.full(3, theta), y), -y, rtol=1e-9)
