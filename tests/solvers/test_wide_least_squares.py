"""Least squares of very many columns: as QR gives it, in the memory of little more than a Gram matrix."""

import tracemalloc

import numpy as np
import pytest

import gradline as gl
from gradline.solvers.least_squares import wide

rng = np.random.default_rng(12)
N, P = 700, 150
X = rng.normal(size=(N, P)) * 10.0 ** rng.integers(-3, 4, size=P) + 5.0
Y = X @ rng.normal(size=P) / np.abs(X).mean(axis=0).max() + rng.normal(size=N)


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr("gradline.solvers.least_squares.least_squares.EXACT_NUMBERS", 10)
    monkeypatch.setattr(wide, "WIDE", 50)


@pytest.mark.usefixtures("few_are_many")
class TestAsByQR:
    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"intercept": False},
            {"weights": np.where(np.arange(N) % 7, rng.random(N), 0.0), "offset": rng.normal(size=N)},
            {"frequencies": rng.integers(0, 3, size=N).astype(float)},
        ],
        ids=lambda given: " ".join(given) or "plain",
    )
    def test_rows_of_every_kind(self, given):
        found, exact = gl.fit(X, Y, **given), gl.fit(X, Y, accuracy="full", **given)
        assert "corrected by residuals" in found.certificate.reason
        unit = X.std(axis=0)
        size = np.abs(exact.coefficients[-P:] * unit).max()
        np.testing.assert_allclose(found.coefficients[-P:] * unit, exact.coefficients[-P:] * unit, atol=1e-12 * size)
        # Without an intercept columns far from zero are nearly dependent; standard errors come of the factor, which nothing corrects.
        np.testing.assert_allclose(found.standard_errors, exact.standard_errors, rtol=1e-7 if "intercept" in given else 1e-9)
        np.testing.assert_allclose(found.r_squared, exact.r_squared, rtol=1e-12)
        errors = np.abs(found.coefficients - exact.coefficients) / np.abs(exact.coefficients)
        assert (errors <= 10.0 ** -found.digits.ravel()).all()

    def test_a_ridge_with_fewer_rows_than_columns(self):
        penalty = gl.penalties.ridge(0.01)
        found, exact = gl.fit(X[:100], Y[:100], penalty=penalty), gl.fit(X[:100], Y[:100], penalty=penalty, accuracy="full")
        assert "corrected by residuals" in found.certificate.reason
        np.testing.assert_allclose(found.predict(X), exact.predict(X), rtol=1e-8)

    def test_two_targets(self):
        y = np.column_stack([Y, rng.normal(size=N)])
        found, exact = gl.fit(X, y), gl.fit(X, y, accuracy="full")
        np.testing.assert_allclose(found.predict(X), exact.predict(X), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(found.standard_errors, exact.standard_errors, rtol=1e-9)

    def test_columns_that_others_determine_are_left_to_qr(self):
        more = np.column_stack([X, X[:, 3] - X[:, 5]])
        with pytest.warns(gl.GradlineWarning, match="left out of the model, .* 'x151'"):
            found = gl.fit(more, Y)
        assert "corrected by residuals" not in found.certificate.reason


def test_little_more_than_a_gram_matrix_is_held():
    p = 1600
    x = rng.normal(size=(2000, p))
    y = x[:, 0] + rng.normal(size=2000)
    gl.fit(x[:50, :2], y[:50])
    tracemalloc.start()
    fit = gl.fit(x, y, covariance="none")
    peak = tracemalloc.get_traced_memory()[1] / (8 * p**2)
    tracemalloc.stop()
    assert "corrected by residuals" in fit.certificate.reason
    # Blocks of rows on a few threads are the rest.
    assert peak < 4.0
