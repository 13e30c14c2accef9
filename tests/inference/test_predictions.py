"""Prediction intervals without a distribution: jackknife quantiles and split conformal."""

import numpy as np
import pytest
from fitted import close, fitted
from scipy.special import ndtri

import gradline as gl
from gradline.design.dense import DenseDesign
from gradline.inference.inference import infer
from gradline.inference.predictions import CalibrationKernel, calibration_of, conformal_interval, prediction_interval
from gradline.rows.block import Block


def calibrate(block, ours):
    """The calibration that rows of one block make."""
    loss = ours.problem.loss
    return calibration_of(CalibrationKernel(loss, ours.b).map(block), loss, ours.b.shape[1])


def test_jackknife_interval_covers():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1200, 3))
    y = x.sum(axis=1) + rng.standard_t(3, size=1200)
    for loss in (gl.losses.huber(1.0), gl.losses.quantile(0.8), gl.losses.student_t(3)):
        ours = fitted(x[:600], y[:600], loss)
        held = infer(ours.problem, ours.solution)
        design = DenseDesign(x[600:], True)
        found = prediction_interval(design, design.predict(ours.b), held.covariance, ours.problem.loss, residuals=held.residuals)
        cover = np.mean((y[600:, None] > found.lower) & (y[600:, None] < found.upper))
        assert 0.925 < cover < 0.975
        assert found.guarantee.startswith("jackknife")


def test_quantile_regression_interval_has_the_scale_of_the_noise():
    """statsmodels takes the scale for 1 whatever it is."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 1))
    ours = fitted(x, 10 * rng.normal(size=400), "absolute")
    held = infer(ours.problem, ours.solution)
    design = DenseDesign(np.zeros((1, 1)), True)
    found = prediction_interval(design, design.predict(ours.b), held.covariance, ours.problem.loss, residuals=held.residuals)
    assert 33 < found.upper[0, 0] - found.lower[0, 0] < 46


def test_many_rows_keep_a_table_of_quantiles():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20_000, 1))
    ours = fitted(x, x[:, 0] + rng.normal(size=20_000), gl.losses.huber(1.0))
    table = infer(ours.problem, ours.solution).residuals
    assert len(table.values) == 999
    assert table.count == 20_000
    for p in (0.005, 0.05, 0.5, 0.975):
        assert abs(table.at(p)[0] - ndtri(p)) < 0.08


def test_split_conformal_ranks_and_cover():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 2))
    y = x.sum(axis=1) + np.exp(rng.normal(size=200))
    ours = fitted(x[:100], y[:100], gl.losses.huber(1.0))
    block = Block(DenseDesign(x[100:], True), y[100:, None])
    calibration = calibrate(block, ours)
    residuals = np.sort(y[100:] - block.design.predict(ours.b)[:, 0])
    found = conformal_interval(np.zeros((1, 1)), calibration, ours.problem.loss, 0.9)
    # floor(101 * 0.05) = 5th from either end.
    close([found.lower, found.upper], [residuals[4], residuals[-5]], 1e-12)
    exact = conformal_interval(
        np.zeros((1, 1)),
        calibrate(Block(block.design.take(np.arange(39)), y[100:139, None]), ours),
        ours.problem.loss,
        0.95,
    )
    assert np.isfinite(exact.lower).all()
    few = calibrate(Block(block.design.take(np.arange(38)), y[100:138, None]), ours)
    with pytest.raises(ValueError, match="at least 39 calibration rows, and there are 38"):
        conformal_interval(np.zeros((1, 1)), few, ours.problem.loss, 0.95)


def test_conformal_covers_for_wrong_models_and_widens_with_the_losses_own_spread():
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 2, size=(6000, 1))
    y = rng.gamma(2.0, np.exp(x[:, 0]) / 2)
    for loss in ("squared", "poisson", "gamma", "normal"):
        ours = fitted(x[:500], y[:500], loss)
        calibration = calibrate(Block(DenseDesign(x[500:1500], True), y[500:1500, None]), ours)
        predictors = DenseDesign(x[1500:], True).predict(ours.b)
        found = conformal_interval(predictors, calibration, ours.problem.loss, 0.9)
        cover = np.mean((y[1500:, None] >= found.lower) & (y[1500:, None] <= found.upper))
        assert 0.87 < cover < 0.93
        width = found.upper - found.lower
        assert (np.ptp(width) > 0.1) == (loss != "squared")
