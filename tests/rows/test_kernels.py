"""Every kernel: it survives pickle, and another process makes the same of the same block, to the bit.

Kernels are found by the syntax tree and watched at work in a tour of what the library does, so that a new one is held to this as well.
"""

import ast
import importlib
import multiprocessing
import pickle
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from scipy import sparse

import gradline as gl
from gradline.base.threads import single_threaded_blas
from gradline.inference.bread import compute_bread
from gradline.inference.covariance.estimate import score_products
from gradline.inference.kinked import RowLoss
from gradline.objective.objective import Problem
from gradline.objective.row_curvature import RowCurvature
from gradline.rows.arrays import ArrayRows
from gradline.solvers.beside import on_falling_kinks
from gradline.solvers.freedom import _SlopeKernel
from gradline.solvers.identified import _AlongKernel
from gradline.solvers.least_squares.exact_inverse import inverse_gram
from gradline.solvers.least_squares.word_moments import WordMomentsKernel

mpl.use("Agg")

SOURCE = Path(gl.__file__).parent

PER_KIND = 2
"""Blocks of which each kernel is watched."""

MOST_BYTES = 2**23
"""Larger ones are not sent to another process."""


def kernel_classes():
    """Every class of the package with a ``map`` over a block, but for protocols."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(["gradline", *path.relative_to(SOURCE).with_suffix("").parts])
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef) or any("Protocol" in ast.unparse(base) for base in node.bases):
                continue
            maps = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "map"]
            if any(argument.arg == "block" for part in maps for argument in part.args.args):
                found.append(getattr(importlib.import_module(module), node.name))
    return found


def name_of(kernel):
    return f"{kernel.__module__}.{kernel.__qualname__}"


@dataclass
class Watched:
    """What was seen of one class: pickles of a kernel with a block, what it made of the block here, and why pickling failed."""

    seen: list
    failures: list


def watch(kernel, watched, patch):
    """Keep what a kernel is given, and what it makes of the block once that went through a pickle, so that memory lies as it will there."""
    original, lock, inside = kernel.map, threading.Lock(), threading.local()

    def map_and_keep(self, block):
        with lock:
            wanted = len(watched.seen) + len(watched.failures) < PER_KIND and not getattr(inside, "busy", False)
        if wanted:
            inside.busy = True
            try:
                packed = pickle.dumps((self, block))
                if len(packed) <= MOST_BYTES:
                    # The kernel itself, not its copy: the copy has to do the same.
                    state = pickle.dumps(original(self, pickle.loads(packed)[1]))
                    with lock:
                        watched.seen.append((packed, state))
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                watched.failures.append(repr(error))
            finally:
                inside.busy = False
        return original(self, block)

    patch.setattr(kernel, "map", map_and_keep)


def run(packed):
    """In the other process."""
    with warnings.catch_warnings(), single_threaded_blas():
        warnings.simplefilter("ignore")
        kernel, block = pickle.loads(packed)
        return pickle.dumps(kernel.map(block))


def same(first, second):
    """Whether two states are equal to the bit; NaN equals NaN."""
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(value, second[key]) for key, value in first.items())
    if is_dataclass(first):
        return all(same(getattr(first, field.name), getattr(second, field.name)) for field in fields(first))
    if hasattr(first, "__dict__"):
        return same(vars(first), vars(second))
    return pickle.dumps(first) == pickle.dumps(second)


random = np.random.default_rng(3)
N = 400
X = random.normal(size=(N, 3))
Z = X @ [1.0, -0.5, 0.2]
Y = Z + random.standard_t(3, size=N)
COUNTS = random.poisson(np.exp(0.3 * Z)).astype(float)
CLASSES = (random.random(N) < 1.0 / (1.0 + np.exp(-Z))).astype(float)
WEIGHTS = random.uniform(0.5, 2.0, size=N)
GROUPS = np.arange(N) % 20
TABLE = {"y": Y, "c": COUNTS, "x": X[:, 0], "z": X[:, 1], "g": np.char.add("g", (np.arange(N) % 30).astype(str)), "w": WEIGHTS}


def refused(action):
    """What fails with a word of the library's own, and has passed over rows before."""
    with pytest.raises(gl.GradlineError):
        action()


def arrays(patch):
    """Fits of arrays by losses of every kind, standard errors of every kind, diagnostics."""
    both = np.stack([Y, -Y], axis=1)
    fit = gl.fit(X, Y)
    fit.diagnose(X, Y).leverage
    counts = np.round(np.abs(Y))
    _ = gl.fit(X, counts, loss="poisson").diagnose(X, counts).overdispersion
    for measure in ("collinearity", "breusch_pagan", "reset", "durbin_watson", "leave_one_out_loss"):
        getattr(fit.diagnose(X, Y), measure)
    fit.residuals(X, Y)
    fit.predict(X, interval="prediction", calibration=(X[:100], Y[:100]))
    for kind in ("HC0", ("newey-west", 3)):
        fit.with_covariance(kind, X, Y)
    gl.fit(X, both, solver=gl.Newton()).with_covariance("classical", X, both)
    gl.fit(X, np.exp(Y), loss=gl.losses.gamma)
    robust = gl.fit(X, Y, loss=gl.losses.huber(1.0), weights=WEIGHTS)
    robust.with_covariance("classical", X, Y, weights=WEIGHTS)
    counts = gl.fit(X, COUNTS, loss=gl.losses.poisson)
    counts.with_covariance("cluster", X, COUNTS, groups=GROUPS)
    gl.fit(np.column_stack([X, X[:, 0] + X[:, 1]]), COUNTS, loss=gl.losses.poisson)
    gl.fit(X, Y, penalty=gl.penalties.ridge("auto"))
    gl.fit(X, Y, loss=gl.losses.quantile(0.7), penalty=gl.penalties.ridge(0.1))
    gl.fit(X, Y, loss=gl.losses.absolute, weights=np.where(np.arange(N) % 9, 0.0, 1.0))
    gl.fit(X, Y, loss=gl.losses.huber(1.0), solver=gl.GradientDescent(steps=5, batch_size=20, seed=1))
    gl.fit(X, Z, loss=gl.losses.normal)
    gl.fit(X, COUNTS, loss=gl.losses.poisson, penalty=gl.penalties.lasso(0.05))
    gl.path(X, Y, strengths=3, choose="folds", folds=3)
    gl.path(X, CLASSES, loss=gl.losses.logistic, strengths=2, choose="folds", folds=2)
    refused(lambda: gl.fit(X, COUNTS, loss=gl.losses.poisson, start=np.full(4, 1e3), solver=gl.Newton()))


def pictures(patch):
    """What pictures sum."""
    for loss, y in ((gl.losses.squared, Y), (gl.losses.logistic, CLASSES)):
        fit = gl.fit(X, y, loss=loss)
        gl.plot.partial_regression(fit, X, y)
        gl.plot.residuals(fit, X, y)
        gl.plot.calibration(fit, X, y)


def many_rows(patch):
    """What is done on many rows, by making few rows many."""
    patch.setattr("gradline.inference.inference.WHITENED", 10)
    patch.setattr("gradline.solvers.kinks.whitening.HELD_NUMBERS", 10)
    gl.fit(X, COUNTS, loss=gl.losses.poisson, covariance="HC0")
    gl.fit(X, Y, loss=gl.losses.absolute)


def tables(patch):
    """Tables too large to be held."""
    fit = gl.fit("y ~ x + z", TABLE)
    fit.with_covariance("cluster", TABLE, groups="g")
    missing = {**TABLE, "g": np.where(np.arange(N) == 7, None, TABLE["g"])}
    refused(lambda: gl.fit("y ~ x + z", missing, covariance="cluster", groups="g"))
    patch.setattr("gradline.preparing.from_table.MOST_HELD", 10)
    patch.setattr("gradline.formulas.groups.DENSE_LEVELS", 5)
    for loss, formula in (("squared", "y ~ x + z"), ("poisson", "c ~ x + z"), ("absolute", "y ~ x + z"), ("normal", "y ~ x + offset(z)")):
        fit = gl.fit(formula, TABLE, loss=loss, weights="w")
        fit.residuals(TABLE)
        fit.with_covariance("cluster", TABLE, groups="g")
    for loss, formula in (("squared", "y ~ x + C(g)"), ("poisson", "c ~ x + C(g)")):
        gl.fit(formula, TABLE, loss=loss)
    far = {**TABLE, "x": 1e6 + TABLE["x"], "w": np.where(np.arange(N) % 9, 0.0, 1.0)}
    gl.fit("y ~ x + z", far, loss="absolute", weights="w")
    refused(lambda: gl.fit("y ~ x + z", TABLE, loss="poisson"))


def seldom(patch):
    """Kernels that few data ask for, by the functions that run them."""
    problem, at = Problem(ArrayRows(X, Y[:, None]), gl.losses.huber(1.0)), np.zeros((4, 1))
    problem.largest_row_curvature(at)
    on_falling_kinks(problem, at, 1e-12)
    problem.rows.reduce(_AlongKernel(problem.loss, at, np.ones((1, 1))))
    problem.rows.reduce(WordMomentsKernel(np.zeros(4)))
    problem.rows.reduce(_SlopeKernel(problem.loss, at, np.ones((4, 1))))
    kept = RowCurvature(problem.rows, 1, (False,))
    for shift in (0.0, 3.0):
        problem.evaluate_with(at + shift, 2, kept)
    patch.setattr("gradline.solvers.least_squares.scaled_rows.SMALL", 0)
    inverse_gram(problem.rows)
    nearly = Problem(ArrayRows(np.column_stack([X, X[:, 0] + 1e-3 * X[:, 1]]), COUNTS[:, None]), gl.losses.poisson)
    bread = compute_bread(nearly, np.zeros((5, 1)), nearly.free)
    patch.setattr("gradline.inference.covariance.estimate.WHITENED", 10)
    score_products(nearly, np.zeros((5, 1)), bread, RowLoss(nearly.loss))


def sparse_columns(patch):
    """Sparse matrices: least squares, a column that others determine, conjugate gradients."""
    held = sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0.0))
    gl.fit(held, Y, weights=WEIGHTS)
    gl.fit(sparse.hstack([held, held[:, :1]]), COUNTS, loss=gl.losses.poisson)
    gl.fit(held, COUNTS, loss=gl.losses.poisson, solver=gl.NewtonCG())
    gl.path(held, Y, strengths=2, choose="folds", folds=2)


def wide(patch):
    """What is done with very many columns, by making few many."""
    with patch.context() as few:
        few.setattr("gradline.solvers.least_squares.least_squares.EXACT_NUMBERS", 10)
        few.setattr("gradline.solvers.least_squares.wide.WIDE", 2)
        gl.fit(X, Y)


def curves(patch):
    """Curves of several losses, with strengths chosen by both criteria, and standard errors asked for again."""
    for smoothing in ("REML", "leave-one-out"):
        gl.fit("y ~ s(x, k=6)", TABLE, smoothing=smoothing)
        gl.fit("c ~ s(x, k=6)", TABLE, loss="poisson", smoothing=smoothing)
    gl.fit("y ~ s(x, k=6)", TABLE, loss=gl.losses.huber(1.0))


def after_selection(patch):
    """Rows left out of a path, and errors after selection."""
    for loss, y in ((gl.losses.squared, Y), (gl.losses.logistic, CLASSES)):
        gl.path(X, y, loss=loss, strengths=3, choose="leave-one-out")
        gl.fit(X, y, loss=loss, penalty=gl.penalties.lasso(0.02), covariance="debiased")
    gl.fit(X, Y, penalty=gl.penalties.lasso(0.02), covariance="selective")
    gl.path("y ~ x + z", TABLE, strengths=2, choose="folds", folds=2, groups="g")


def effects(patch):
    """Sums of predictions of altered rows, refits of drawn rows, profiles."""
    fit = gl.fit("c ~ x + z", TABLE, loss="poisson")
    fit.effects("x", data=TABLE)
    fit.interval(method="profile", data=TABLE)
    for kind in ("cases", "wild"):
        fit.bootstrap(TABLE, replications=20, kind=kind)
    of_classes = gl.fit(X, CLASSES, loss="logistic")
    of_classes.classification(X, CLASSES)
    of_classes.pseudo_r_squared(X, CLASSES)


def constraints(patch):
    """Coefficients within constraints."""
    for loss, y in (("squared", Y), ("poisson", COUNTS), ("absolute", Y)):
        gl.fit(X, y, loss=loss, constraints="x1 >= 0, x2 + x3 = 0")


def absorbed(patch):
    """Levels that are absorbed, of rows in memory and of rows that are read anew."""
    table = {**TABLE, "h": np.arange(N) % 7, "v": np.where(np.arange(N) % 9, WEIGHTS, 0.0)}
    for anew in (False, True):
        if anew:
            patch.setattr("gradline.preparing.absorbed_columns.MOST_HELD", 0)
            patch.setattr("gradline.model.level_rows.MOST_HELD", 0)
        for loss, formula in (("squared", "y ~ x + z | g + h"), ("poisson", "c ~ x | g"), ("squared", "y ~ x | g[z]")):
            fit = gl.fit(formula, table, loss=loss, weights="v")
            fit.predict(table)
            found = fit.diagnose(table)
            _ = found.leverage, found.collinearity
            if loss == "squared":
                _ = found.breusch_pagan, found.reset
            for kind in ("HC1", "HC3"):
                gl.fit(formula, table, loss=loss, weights="v", covariance=kind)
            gl.fit(formula, table, loss=loss, covariance="cluster", groups="g")
        gl.fit("y ~ x + z | g + h", table, loss=gl.losses.huber(1.0))


TOUR = [arrays, curves, after_selection, effects, constraints, pictures, many_rows, tables, seldom, sparse_columns, wide, absorbed]


def test_every_kernel_gives_the_same_state_in_another_process():
    found = {name_of(kernel): (kernel, Watched([], [])) for kernel in kernel_classes()}
    assert len(found) > 50
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kernel, watched in found.values():
            watch(kernel, watched, patch)
        for part in TOUR:
            part(patch)
    assert not {name: watched.failures for name, (_, watched) in found.items() if watched.failures}
    unseen = [name for name, (_, watched) in found.items() if not watched.seen]
    assert not unseen, "the tour of this file should come by these kernels"
    context = multiprocessing.get_context("spawn")
    seen = [(name, *one) for name, (_, watched) in found.items() for one in watched.seen]
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        states = list(pool.map(run, [packed for _, packed, _ in seen], chunksize=16))
    wrong = [name for (name, _, here), there in zip(seen, states, strict=True) if not same(pickle.loads(here), pickle.loads(there))]
    assert not wrong
