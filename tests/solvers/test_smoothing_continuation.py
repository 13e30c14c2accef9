"""Losses that bend sharply: Newton reaches their optimum through smoother ones."""

import numpy as np
import pytest

import gradline as gl

ROWS, LEVELS = 1500, 120


@pytest.fixture(scope="module")
def table() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    g = generator.permutation(np.arange(ROWS) % LEVELS)
    x = generator.normal(size=ROWS)
    y = 1.0 + 2.0 * x + generator.normal(size=LEVELS)[g] + generator.standard_t(3, size=ROWS)
    return {"y": y, "x": x, "g": np.array([f"g{level:03d}" for level in g])}


def design(table: dict[str, np.ndarray]) -> np.ndarray:
    levels = np.unique(table["g"])
    return np.column_stack([np.ones(ROWS), table["x"], *(table["g"] == level for level in levels[1:])])


@pytest.mark.parametrize("threshold", [1e-2, 1e-3, 1e-5])
def test_a_threshold_far_below_the_noise_reaches_the_optimum(table: dict[str, np.ndarray], threshold: float) -> None:
    fit = gl.fit("y ~ x + C(g)", table, loss=gl.losses.huber(threshold))
    assert fit.certificate.converged
    X = design(table)
    # The first-order condition of a convex function, in the units of its slopes: written out here, and not gradline's.
    score = X.T @ np.clip(X @ np.ravel(fit.coefficients) - table["y"], -threshold, threshold)
    assert np.abs(score).max() < 1e-9 * threshold * ROWS


def test_frequencies_and_a_ridge(table: dict[str, np.ndarray]) -> None:
    frequencies = 1 + np.arange(ROWS) % 3
    data = {**table, "copies": frequencies}
    fit = gl.fit("y ~ x + C(g)", data, loss=gl.losses.huber(1e-5), frequencies="copies", penalty=gl.penalties.ridge(1e-9))
    assert fit.certificate.converged
    X, b = design(table), np.ravel(fit.coefficients)
    slopes = frequencies * np.clip(X @ b - table["y"], -1e-5, 1e-5) / frequencies.sum()
    outside_gradient = np.concatenate([[0.0], 1e-9 * b[1:]])
    assert np.abs(X.T @ slopes + outside_gradient).max() < 1e-14
