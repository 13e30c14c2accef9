"""Whole paths of penalties: gradline beside the programs people use for them, on the same data, in one run.

    python benchmarks/penalties.py [--rows 1000000] [--columns 100] [--file-rows 10000000] [--wide 1000x10000] [--repeats 3]
                                   [--only lasso,file,moments,logistic,wide,own]

Each line prints gradline's seconds, the peer's, how many times as long it took, and how far each one's objectives are above the lowest of
both, relative, at the worst strength (one and the same function evaluates them). What is compared is run in turn, so many times, and the
least time of each counts. G is one bare symmetric product of the array, dsyrk of
BLAS: the least that anything which looks at all pairs of columns can take. Peers are imported and warm, and run with as many threads. Peers
that are not installed are left out: scikit-learn, skglm, celer, and glmstar, which is glmnet by its authors.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy.linalg.blas import dsyrk

import gradline as gl
from clock import alternating, best

warnings.filterwarnings("ignore")

LASSO = gl.penalties.lasso()


def make(n, p, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    x += 0.5 * rng.normal(size=(n, 1))
    b = np.where(rng.uniform(size=p) < 0.3, rng.normal(size=p), 0.0) / np.sqrt(0.3 * p)
    return rng, x, x @ b


def squared_objectives(x, y, intercepts, slopes, strengths):
    """Mean squared residuals and strength times the sum of sizes, (m,); slopes (m, p)."""
    found = []
    for first in range(0, len(strengths), 10):
        part = slice(first, first + 10)
        left = y[:, None] - x @ slopes[part].T - intercepts[part]
        found.append(np.mean(np.square(left), axis=0) + strengths[part] * np.abs(slopes[part]).sum(axis=1))
    return np.concatenate(found)


def logistic_objectives(x, y, intercepts, slopes, strengths):
    found = []
    for place, strength in enumerate(strengths):
        eta = x @ slopes[place] + intercepts[place]
        found.append(np.mean(np.logaddexp(0.0, eta) - y * eta) + strength * np.abs(slopes[place]).sum())
    return np.array(found)


def own_coefficients(path):
    found = path.coefficients[:, :, 0]
    return found[:, 0], found[:, 1:]


def report(job, own, peer, peer_seconds, answers=None):
    """answers: (own objectives, peer's objectives)."""
    text = f"{job:52s} gradline {own:8.3f} s   {peer:30s} {peer_seconds:8.3f} s   {peer_seconds / own:7.2f} x"
    if answers is not None:
        lowest = np.minimum(*answers)
        above = [float(((values - lowest) / np.abs(lowest)).max()) for values in answers]
        text += f"   above the lowest {above[0]:.1e} / {above[1]:.1e}"
    print(text, flush=True)


def centred(x, y):
    means, level = x.mean(axis=0), y.mean()
    return x - means, y - level, means, level


def least_product(x):
    """G: a symmetric product of an array that lies as BLAS likes it."""
    return lambda: dsyrk(1.0, x.T, lower=1)


def lasso(options):
    n, p = options.rows, options.columns
    rng, x, eta = make(n, p)
    y = eta + rng.normal(size=n)
    job = f"lasso, 100 strengths, {n:,} x {p}"
    jobs = {"own": lambda: gl.path(x, y), "folds": lambda: gl.path(x, y, choose="folds")}
    (g, _), (own, path), (folds, _) = alternating([least_product(x), *jobs.values()], options.repeats)
    report(job, own, "G, one bare dsyrk", g)
    report(job + ", 10 folds", folds, "G, one bare dsyrk", g)
    ours = squared_objectives(x, y, *own_coefficients(path), path.strengths)
    try:
        from sklearn.linear_model import LassoCV, lasso_path

        def peer():
            xc, yc, means, level = centred(x, y)
            _, slopes, _ = lasso_path(xc, yc, alphas=path.strengths / 2, precompute=True)
            return level - slopes.T @ means, slopes.T

        seconds, found = best(peer, 1)
        report(job, own, "scikit-learn lasso_path, Gram", seconds, (ours, squared_objectives(x, y, *found, path.strengths)))
        seconds, _ = best(lambda: LassoCV(alphas=path.strengths / 2, cv=10, n_jobs=os.cpu_count()).fit(x, y), 1)
        report(job + ", 10 folds", folds, "scikit-learn LassoCV", seconds)
    except ImportError:
        pass
    try:
        from glmnet import GaussNet
        from glmnet.paths.fastnet import FastNetControl

        def peer():
            net = GaussNet(lambda_values=path.strengths / 2, standardize=False, control=FastNetControl(fdev=0.0))
            net.fit(x, y)
            return net.intercepts_, net.coefs_

        seconds, found = best(peer, 1)
        done = len(found[0])
        theirs = squared_objectives(x, y, *found, path.strengths[:done])
        report(job, own, f"glmstar, {done} strengths", seconds, (ours[:done], theirs))
    except ImportError:
        pass


FILE_COLUMNS = 20
FORMULA = "y ~ " + " + ".join(f"x{j}" for j in range(FILE_COLUMNS))


def write_file(n, where):
    import pyarrow as pa
    import pyarrow.parquet as pq

    piece, writer = 1_000_000, None
    for start in range(0, n, piece):
        rng, x, eta = make(min(piece, n - start), FILE_COLUMNS, seed=start)
        table = pa.table({**{f"x{j}": column for j, column in enumerate(x.T)}, "y": eta + rng.normal(size=len(eta))})
        writer = pq.ParquetWriter(where, table.schema) if writer is None else writer
        writer.write_table(table, row_group_size=250_000)
    writer.close()


def measure_file(what, where):
    """Seconds, and MiB this process held at most."""
    jobs = {"fit": lambda: gl.fit(FORMULA, where), "path": lambda: gl.path(FORMULA, where, choose="folds")}
    with tempfile.TemporaryDirectory() as folder:  # imports
        few = str(Path(folder) / "few.parquet")
        write_file(1_000, few)
        gl.fit(FORMULA, few), gl.path(FORMULA, few, choose="folds")
    started = time.perf_counter()
    found = jobs[what]()
    passes = found.passes if what == "path" else None
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "held": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "passes": passes}


def file(options):
    """The same from Parquet, beside least squares of the same file: each in processes of its own, in turn."""
    with tempfile.TemporaryDirectory(prefix="gradline-bench-") as folder:
        where = str(Path(folder) / "rows.parquet")
        # A process has for its own what its parent held at most before it: this one holds nothing of the file.
        call = [sys.executable, __file__, "--file-rows", str(options.file_rows)]
        subprocess.run([*call, "--write", where], check=True)
        found = {"fit": [], "path": []}
        for _ in range(options.repeats):
            for what, runs in found.items():
                said = subprocess.run([*call, "--measure", what, where], capture_output=True, text=True, check=True).stdout
                runs.append(json.loads(said.splitlines()[-1]))
        plain, own = (min(run["seconds"] for run in runs) for runs in found.values())
        report(f"lasso, 100 strengths, 10 folds, Parquet {options.file_rows:,} x {FILE_COLUMNS}", own, "own least squares", plain)
        held = {what: max(run["held"] for run in runs) for what, runs in found.items()}
        print(f"{'':52s} {found['path'][0]['passes']} pass over the rows; {held['path']:.0f} MiB at most, least squares {held['fit']:.0f}")


def moments(options):
    from sklearn.linear_model import lars_path_gram

    n, p = 5_000, 1_000
    rng, x, eta = make(n, p)
    y = eta + rng.normal(size=n)
    sums = gl.Moments.from_arrays(x, y)
    own, path = best(lambda: gl.path("y ~ .", sums), 3)
    xc, yc, _, _ = centred(x, y)
    gram, cross = xc.T @ xc, xc.T @ yc
    seconds, found = best(
        lambda: lars_path_gram(cross, gram, n_samples=n, method="lasso", alpha_min=path.strengths[-1] / 2, max_iter=10 * p), 2
    )
    common = min(len(found[0]) - 1, len(path.breakpoints))
    apart = np.abs(path.breakpoints[:common] / (2 * found[0][:common]) - 1).max()
    report(f"path from Moments, p = {p:,}", own, "scikit-learn lars_path_gram", seconds)
    print(f"{'':52s} {len(path.breakpoints)} breakpoints, {apart:.1e} apart; largest gap {path.gaps.max():.1e}")


def logistic(options):
    n, p = options.rows, options.columns
    rng, x, eta = make(n, p)
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-2 * eta))) * 1.0
    job = f"logistic L1, 50 strengths, {n:,} x {p}"
    jobs = [lambda: gl.fit(x, y, loss="logistic"), lambda: gl.path(x, y, loss="logistic", strengths=50)]
    (plain, _), (own, path) = alternating(jobs, options.repeats)
    report(job, own, "a plain logistic fit", plain)
    print(f"{'':52s} {path.passes} passes, largest gap {path.gaps.max():.1e}")
    ours = logistic_objectives(x, y, *own_coefficients(path), path.strengths)
    try:
        from glmnet import LogNet
        from glmnet.paths.fastnet import FastNetControl

        def peer():
            net = LogNet(lambda_values=path.strengths, standardize=False, control=FastNetControl(fdev=0.0))
            net.fit(x, y)
            return net.intercepts_, net.coefs_

        seconds, found = best(peer, 1)
        done = len(found[0])
        report(job, own, f"glmstar, {done} strengths", seconds, (ours[:done], logistic_objectives(x, y, *found, path.strengths[:done])))
    except ImportError:
        pass
    try:
        from skglm.datafits import Logistic
        from skglm.penalties import L1
        from skglm.solvers import ProxNewton

        signs, x_fortran = 2 * y - 1, np.asfortranarray(x)

        def peer(strengths, rows):
            slopes, start, fitted = [], np.zeros(p + 1), np.zeros(rows)
            for strength in strengths:
                solver = ProxNewton(tol=1e-6, fit_intercept=True, warm_start=True)
                start, _, _ = solver.solve(
                    x_fortran[:rows], signs[:rows], Logistic(), L1(float(strength)), start, x_fortran[:rows] @ start[:p] + start[p] + fitted
                )
                slopes.append(start.copy())
            return np.array(slopes)

        peer(path.strengths[:3], min(n, 2000))
        seconds, found = best(lambda: peer(path.strengths, n), 1)
        report(job, own, "skglm ProxNewton", seconds, (ours, logistic_objectives(x, y, found[:, p], found[:, :p], path.strengths)))
    except ImportError:
        pass


def wide(options):
    n, p = (int(part) for part in options.wide.split("x"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p))
    y = x[:, :50] @ rng.normal(size=50) + 3 * rng.normal(size=n)
    job = f"lasso, 100 strengths, {n:,} x {p:,}"
    path = gl.path(x, y)
    xc, yc, means, level = centred(x, y)
    xc = np.asfortranarray(xc)
    # A tolerance of theirs is of the duality gap in units of the target's squares: 1e-6 of the mean loss.
    tol = 1e-6 / float(np.mean(np.square(yc)))
    jobs = {"gradline": lambda: gl.path(x, y)}
    try:
        from sklearn.linear_model import lasso_path

        jobs["scikit-learn lasso_path"] = lambda: lasso_path(xc, yc, alphas=path.strengths / 2, tol=tol, max_iter=100_000)[1]
    except ImportError:
        pass
    try:
        from celer import celer_path

        celer_path(xc[:50, :60].copy(order="F"), yc[:50], "lasso", n_alphas=3)
        jobs["celer"] = lambda: celer_path(xc, yc, "lasso", alphas=path.strengths / 2, tol=tol)[1]
    except ImportError:
        pass
    try:
        from glmnet import GaussNet
        from glmnet.paths.fastnet import FastNetControl

        def net():
            found = GaussNet(lambda_values=path.strengths / 2, standardize=False, control=FastNetControl(fdev=0.0))
            found.fit(x, y)
            return found.intercepts_, found.coefs_

        jobs["glmstar"] = net
    except ImportError:
        pass
    measured = dict(zip(jobs, alternating(list(jobs.values()), options.repeats), strict=True))
    own, _ = measured.pop("gradline")
    print(f"{job:52s} gradline {own:8.3f} s   largest gap {path.gaps.max():.1e}")
    ours = squared_objectives(x, y, *own_coefficients(path), path.strengths)
    for name, (seconds, found) in measured.items():
        intercepts, slopes = found if name == "glmstar" else (level - found.T @ means, found.T)
        done = len(intercepts)
        theirs = squared_objectives(x, y, intercepts, slopes, path.strengths[:done])
        report(job, own, f"{name}, {done} strengths", seconds, (ours[:done], theirs))


def own(options):
    """A user's Huber with groups, beside the built-in one."""
    import tensorflow as tf

    n, p = max(options.rows // 10, 1000), 2 * options.columns
    rng, x, eta = make(n, p)
    y = eta + rng.standard_t(3, size=n)

    def huber(y, prediction):
        error = tf.abs(y - prediction)
        return tf.where(error <= 1.35, 0.5 * tf.square(error), 1.35 * error - 0.5 * 1.35**2)

    penalty = gl.penalties.group_lasso(groups=list(np.arange(p) // 5))
    jobs = [lambda loss=loss: gl.path(x, y, loss=loss, penalty=penalty, strengths=50) for loss in (gl.losses.huber(1.35), huber)]
    (built, first), (own, second) = alternating(jobs, options.repeats)
    job = f"a user's TensorFlow Huber, groups, {n:,} x {p}"
    report(job, own, "the built-in Huber", built, (second.objectives, first.objectives))
    print(f"{'':52s} {second.passes} passes, and {first.passes}")


JOBS = {"lasso": lasso, "file": file, "moments": moments, "logistic": logistic, "wide": wide, "own": own}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--file-rows", type=int, default=10_000_000)
    parser.add_argument("--wide", default="1000x10000")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(JOBS))
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_file(options.file_rows, options.write)
        return
    if options.measure:
        print(json.dumps(measure_file(*options.measure)))
        return
    for name in options.only.split(","):
        JOBS[name](options)


if __name__ == "__main__":
    main()
