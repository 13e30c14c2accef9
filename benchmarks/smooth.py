"""Curves: gradline beside pyGAM and mgcv, ten curves of twenty columns each; and the same over a file larger than memory.

    python benchmarks/smooth.py [--rows 100000] [--repeats 3] [--skip-pygam] [--large 20000000]

Needs pyGAM (pip install pygam) and R with mgcv (apt-get install r-cran-mgcv); what is not there is left out. R reads the same numbers
from a file of doubles, and its time is that of the fit alone. Times are the shortest of a few, in one run, on one machine. Where other
programs share it, seconds of processors tell more than those of the clock, though they count both threads of gradline. --large writes a
Parquet file of that many rows into a temporary folder and fits it in a process of its own, whose peak of memory is told.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

TERMS, COLUMNS = 10, 20

R_SCRIPT = """
suppressPackageStartupMessages(library(mgcv))
arguments <- commandArgs(TRUE)
n <- as.integer(arguments[2])
values <- matrix(readBin(arguments[1], "double", n * 12), n)
rows <- as.data.frame(values)
names(rows) <- c(paste0("x", 0:9), "y", "b")
formula <- function(target) as.formula(paste(target, "~", paste0('s(x', 0:9, ', bs = "ps", k = 20)', collapse = " + ")))
timed <- function(name, work) {
  once <- function(i) { t <- system.time(work()); c(t[["elapsed"]], t[["user.self"]] + t[["sys.self"]]) }
  found <- sapply(seq_len(as.integer(arguments[3])), once)
  sprintf('"%s": [%f, %f]', name, min(found[1, ]), min(found[2, ]))
}
cat(paste0("{", paste(
  timed("bam", function() bam(formula("y"), data = rows)),
  timed("bam, discrete", function() bam(formula("y"), data = rows, discrete = TRUE)),
  timed("bam, logistic", function() bam(formula("b"), data = rows, family = binomial())),
  timed("bam, discrete, logistic", function() bam(formula("b"), data = rows, family = binomial(), discrete = TRUE)), sep = ", "), "}"))
"""

LARGE = """
import resource, sys, time
import gradline as gl
start = time.perf_counter()
fit = gl.fit("y ~ " + " + ".join(f"s(x{j}, k=20)" for j in range(10)), sys.argv[1], progress=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"{fit.rows_used:,} rows of Parquet: {time.perf_counter() - start:.0f} s, {peak:.2f} GiB at most, "
      f"{sum(curve.degrees_of_freedom for curve in fit.curves):.1f} degrees of freedom")
"""


def made(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, TERMS))
    signal = sum(np.sin((j + 2) * 2.0 * X[:, j]) / (1.0 + j / 3.0) for j in range(TERMS))
    y = signal + rng.normal(size=n)
    b = (rng.uniform(size=n) < 1.0 / (1.0 + np.exp(signal.mean() - signal))) * 1.0
    return X, y, b


def best(work, repeats):
    """(seconds by the clock on the wall, seconds of processors), the least of each."""
    times = []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - start, time.process_time() - used))
    return tuple(min(column) for column in zip(*times, strict=True))


def by_gradline(X, y, b, repeats):
    import gradline as gl

    data = {**{f"x{j}": X[:, j] for j in range(TERMS)}, "y": y, "b": b}
    formula = " + ".join(f"s(x{j}, k={COLUMNS})" for j in range(TERMS))
    gl.fit("y ~ s(x0)", data)
    return {
        "gradline": best(lambda: gl.fit("y ~ " + formula, data), repeats),
        "gradline, logistic": best(lambda: gl.fit("b ~ " + formula, data, loss="logistic"), repeats),
    }


def by_pygam(X, y):
    try:
        from pygam import LinearGAM
    except ImportError:
        return {}
    return {"pyGAM, gridsearch": best(lambda: LinearGAM(n_splines=COLUMNS).gridsearch(X, y, progress=False), 1)}


def by_mgcv(X, y, b, repeats):
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "rows.bin", Path(folder) / "bam.R"
        np.column_stack([X, y, b]).T.tofile(path)
        script.write_text(R_SCRIPT)
        done = subprocess.run(["Rscript", script, path, str(len(y)), str(repeats)], capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def large(n):
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        names = [*(f"x{j}" for j in range(TERMS)), "y"]
        schema = pa.schema([(name, pa.float64()) for name in names])
        with pq.ParquetWriter(path, schema) as writer:
            for part in range(-(-n // 500_000)):
                X, y, _ = made(min(500_000, n - part * 500_000), part)
                writer.write_table(pa.table([*(X[:, j] for j in range(TERMS)), y], names=names))
        print(f"file: {path.stat().st_size / 2**30:.2f} GiB")
        subprocess.run([sys.executable, "-c", LARGE, str(path)], check=True, env=dict(os.environ))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skip-pygam", action="store_true")
    parser.add_argument("--large", type=int, default=0)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    if asked.large:
        large(asked.large)
        return
    X, y, b = made(asked.rows)
    times = by_gradline(X, y, b, asked.repeats)
    times |= by_mgcv(X, y, b, asked.repeats)
    # Once more, since the machine may have been busier before than after.
    again = by_gradline(X, y, b, asked.repeats)
    times |= {name: tuple(map(min, value, times[name])) for name, value in again.items()}
    if not asked.skip_pygam:
        times |= by_pygam(X, y)
    print(f"{asked.rows:,} rows, {TERMS} curves of {COLUMNS} columns; load {os.getloadavg()[0]:.1f}")
    for name, (wall, used) in times.items():
        own, mine = times["gradline, logistic" if "logistic" in name else "gradline"]
        print(f"{name:26s} {wall:8.2f} s, {wall / own:6.1f} x gradline; {used:8.2f} s of processors, {used / mine:6.1f} x")


if __name__ == "__main__":
    main()
