"""However many processes read the rows, and whichever ends first: the bits are those of one machine."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from many_parts import FILES, Shuffled

import gradline as gl

FORMULA = "y ~ x + z + u + C(g)"

FITS = {
    "squared": {"formula": FORMULA},
    "weighted": {"formula": FORMULA, "weights": "w", "covariance": "HC3"},
    "huber": {"formula": FORMULA, "loss": gl.losses.huber(1.35), "covariance": "default"},
    "poisson": {"formula": "c ~ x + z + bs(u, df=5)", "loss": "poisson", "covariance": "default"},
    "quantile": {"formula": FORMULA, "loss": gl.losses.quantile(0.9), "covariance": "default"},
    "clusters": {"formula": FORMULA, "covariance": "cluster", "groups": "g"},
    "two predictors": {"formula": {"mean": "y ~ x + z", "log_scale": "~ x"}, "loss": "normal", "covariance": "default"},
}


def own(y, prediction):
    import tensorflow as tf

    return tf.sqrt(1.0 + tf.square(y - prediction)) - 1.0


def bits(fit):
    """Everything that a fit says, to the bit."""
    certificate = fit.certificate
    return (
        np.asarray(fit.coefficients).tobytes(),
        np.asarray(fit.standard_errors).tobytes(),
        (certificate.converged, certificate.gap if hasattr(certificate, "gap") else None, repr(certificate)),
        fit.loss,
        fit.rows_used,
        tuple(fit.rows_dropped.items()),
        fit.fingerprint,
        fit.solution.passes,
    )


def fitted(folder, name, **more):
    asked = dict(FITS[name])
    return bits(gl.fit(asked.pop("formula"), folder, **asked, **more))


@pytest.fixture(scope="module")
def here(folder):
    """The fits of one machine, each made once."""
    kept = {}

    def of(name):
        if name not in kept:
            kept[name] = fitted(folder, name)
        return kept[name]

    return of


@pytest.mark.parametrize("name", FITS)
def test_two_workers_of_dask(folder, here, scaled, name):
    assert len(list(folder.iterdir())) == FILES == 64
    assert fitted(folder, name, cluster=scaled(2)) == here(name)


@pytest.mark.parametrize("workers", [1, 3])
def test_other_numbers_of_workers(folder, here, scaled, workers):
    cluster = scaled(workers)
    assert [name for name in ("squared", "huber") if fitted(folder, name, cluster=cluster) != here(name)] == []


@pytest.mark.study
@pytest.mark.parametrize("workers", [1, 3])
def test_every_fit_with_other_numbers_of_workers(folder, here, scaled, workers):
    cluster = scaled(workers)
    assert [name for name in FITS if fitted(folder, name, cluster=cluster) != here(name)] == []


def test_completion_shuffled(folder, here):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool, ThreadPoolExecutor(3) as threads:
        for executor, count in ((pool, 2), (threads, 3)):
            cluster = gl.Cluster(Shuffled(executor), threads=count)
            assert [name for name in ("squared", "huber", "quantile") if fitted(folder, name, cluster=cluster) != here(name)] == []


def test_a_loss_of_ones_own_in_tensorflow(folder, scaled):
    alone = bits(gl.fit(FORMULA, folder, loss=own, covariance="default"))
    assert bits(gl.fit(FORMULA, folder, loss=own, covariance="default", cluster=scaled(2))) == alone


def test_a_path_with_folds(folder, scaled):
    def path(**more):
        found = gl.path("y ~ x + z + u + C(g)", folder, choose="folds", folds=4, strengths=8, **more)
        held = found.held_out
        return found.coefficients.tobytes(), found.losses.tobytes(), held.mean.tobytes(), held.error.tobytes()

    assert path(cluster=scaled(2)) == path()
