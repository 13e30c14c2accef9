"""This tree beside another commit, in turns: how many times as long as there each job takes.

    python benchmarks/beside.py COMMIT [--repeats 7] [--only huber,table]

Each measurement is a process of its own; a time is the shortest of a few, since noise only adds. Needs git, and the commit's own
dependencies among those installed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKE = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np
import gradline as gl
rng = np.random.default_rng(0)
def rows(n, p):
    X = rng.normal(size=(n, p))
    eta = X @ (rng.normal(size=p) / np.sqrt(p))
    return X, eta, eta + rng.standard_t(3, size=n)
def best(work, repeats=5):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
"""
OWN = """
import tensorflow as tf
def loss(y, prediction):
    error = tf.abs(y - prediction)
    return tf.where(error <= 1.35, 0.5 * tf.square(error), 1.35 * error - 0.5 * 1.35**2)
"""
PARQUET = """
import pyarrow as pa, pyarrow.parquet as pq
X, eta, y = rows(2_000_000, 10)
names = [f"x{i}" for i in range(10)]
path = sys.argv[1] + "/rows.parquet"
pq.write_table(pa.table({**dict(zip(names, X.T)), "g": rng.integers(0, 30, len(y)).astype(str), "y": y}), path, row_group_size=250_000)
"""
JOBS = {
    "small squared": ("X, eta, y = rows(1_000, 5)", "gl.fit(X, y)"),
    "small huber": ("X, eta, y = rows(1_000, 5)", "gl.fit(X, y, loss=gl.losses.huber(1.0))"),
    "small own": (OWN + "X, eta, y = rows(1_000, 5)", "gl.fit(X, y, loss=loss)"),
    "squared 50k x 10": ("X, eta, y = rows(50_000, 10)", "gl.fit(X, y)"),
    "squared 1M x 10": ("X, eta, y = rows(1_000_000, 10)", "gl.fit(X, y)"),
    "squared 200k x 100": ("X, eta, y = rows(200_000, 100)", "gl.fit(X, y)"),
    "squared 60k x 512": ("X, eta, y = rows(60_000, 512)", "gl.fit(X, y)"),
    "huber 50k x 10": ("X, eta, y = rows(50_000, 10)", "gl.fit(X, y, loss=gl.losses.huber(1.0))"),
    "huber 1M x 10": ("X, eta, y = rows(1_000_000, 10)", "gl.fit(X, y, loss=gl.losses.huber(1.0))"),
    "logistic 200k x 100": ("X, eta, y = rows(200_000, 100)", "gl.fit(X, (y > 0) * 1.0, loss='logistic')"),
    "poisson 100k x 30": ("X, eta, y = rows(100_000, 30)", "gl.fit(X, rng.poisson(np.exp(eta / 2)), loss='poisson')"),
    "absolute 50k x 10": ("X, eta, y = rows(50_000, 10)", "gl.fit(X, y, loss='absolute')"),
    "own 200k x 20": (OWN + "X, eta, y = rows(200_000, 20)", "gl.fit(X, y, loss=loss)"),
    "descent 1k": ("X, eta, y = rows(1_000, 1)", "gl.fit(X, y, solver=gl.GradientDescent(0.01, steps=1000))"),
    "table squared": (PARQUET, "gl.fit('y ~ ' + ' + '.join(names), path)"),
    "table huber": (PARQUET, "gl.fit('y ~ ' + ' + '.join(names), path, loss=gl.losses.huber(1.0))"),
    "table levels": (PARQUET, "gl.fit('y ~ x0 + x1 + C(g)', path)"),
}


def seconds(tree, setup, work, folder):
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = f"{MAKE}\n{setup}\nprint(json.dumps([best(lambda: {work}), gl.__file__]))"
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{work}\n{done.stderr[-2000:]}")
    found, where = json.loads(done.stdout.splitlines()[-1])
    if not where.startswith(str(tree)):
        raise SystemExit(f"measured {where} where {tree} was meant")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    wanted = [name for name in JOBS if any(part in name for part in options.only.split(","))]
    with tempfile.TemporaryDirectory(prefix="gradline-beside-") as folder:
        other = Path(folder) / "other"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(other), options.commit], cwd=ROOT, check=True)
        try:
            for name in wanted:
                times = [[seconds(tree, *JOBS[name], folder) for tree in (ROOT, other)] for _ in range(options.repeats)]
                here, there = (min(column) for column in zip(*times, strict=True))
                print(f"{name:24s} {here:9.4f} s   {there:9.4f} s there   ratio {here / there:5.2f}", flush=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(other)], cwd=ROOT, check=False)


if __name__ == "__main__":
    main()
