"""Curves: gradline beside pyGAM and mgcv, ten curves of twenty columns each; and the same over a file larger than memory.

    python benchmarks/smooth.py [--rows 100000] [--repeats 3] [--skip-pygam] [--large 20000000]

Needs pyGAM (pip install pygam) and R with mgcv (apt-get install r-cran-mgcv); what is not there is left out. R reads the same numbers
from a file of doubles, and its time is that of the fit alone. Times are the shortest of a few, in one run, on one machine. --large writes
a Parquet file of that many rows into a temporary folder and fits it in a process of its own, whose peak of memory is told.
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
timed <- function(work) min(sapply(seq_len(as.integer(arguments[3])), function(i) system.time(work())[["elapsed"]]))
cat(sprintf('{"bam": %f, "bam, discrete": %f, "bam, logistic": %f, "bam, discrete, logistic": %f}',
  timed(function() bam(formula("y"), data = rows)), timed(function() bam(formula("y"), data = rows, discrete = TRUE)),
  timed(function() bam(formula("b"), data = rows, family = binomial())),
  timed(function() bam(formula("b"), data = rows, family = binomial(), discrete = TRUE))))
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
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


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
    times |= {name: min(value, times[name]) for name, value in again.items()}
    if not asked.skip_pygam:
        times |= by_pygam(X, y)
    for name, value in times.items():
        base = times["gradline, logistic" if "logistic" in name else "gradline"]
        print(f"{name:26s} {value:9.2f} s   {value / base:8.1f} x gradline")


if __name__ == "__main__":
    main()
