"""Absorbed levels: gradline beside pyfixest, ratios in one run, each program in a process of its own.

    python benchmarks/levels.py [--rows 5000000] [--only two-way,hard,levels,huber,poisson,stream] [--repeat 1]

two-way: firms of some 20 rows and 20 years, ten columns, errors by clusters of firms. hard: workers of ten rows and firms that hardly
any of them change, and years: few rows connect levels. levels: 1,000,000 of them. huber and poisson: two-way, beside gradline's own
least squares and pyfixest's fepois. Both read a pandas frame that is there before the clock starts; memory is the most that the process
holds from then on, less what it held then (as Linux tells). The processors' time is told too, for machines that others use. stream: a
Parquet file of 5,000,000 firms at most, read anew at each pass, by gradline alone. On the hard case alternating projections, pyfixest's
default, end without an answer, so that it runs with LSMR. A first small fit, of imports and compiled code, is not counted. Coefficients
and errors are compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")

CASES = {
    "two-way": ("y ~ {x} | firm + year", "squared", 10),
    "hard": ("y ~ {x} | worker + firm + year", "squared", 2),
    "levels": ("y ~ {x} | firm + year", "squared", 2),
    "huber": ("y ~ {x} | firm + year", "huber", 10),
    "poisson": ("count ~ {x} | firm + year", "poisson", 10),
    "stream": ("y ~ {x} | firm + year", "squared", 2),
}


def table(case, n, seed=0):
    import pandas as pd

    rng = np.random.default_rng(seed)
    p = CASES[case][2]
    firms = {"levels": min(1_000_000, n // 4), "hard": max(n // 500, 2)}.get(case, max(n // 20, 2))
    if case == "hard":
        # Ten years of each worker; one in fifty changes the firm once, to one nearby.
        worker = np.repeat(np.arange(-(-n // 10)), 10)[:n]
        home = rng.integers(0, firms, worker[-1] + 1)
        moves = rng.random(worker[-1] + 1) < 0.02
        since = rng.integers(1, 10, worker[-1] + 1)
        year = np.arange(n) % 10
        firm = np.where(moves[worker] & (year >= since[worker]), (home[worker] + 1) % firms, home[worker])
    else:
        firm, year, worker = rng.integers(0, firms, n), rng.integers(0, 20, n), np.zeros(n, dtype=np.int64)
    columns = {f"x{j}": rng.normal(size=n) + 0.1 * (firm % 7) for j in range(p)}
    eta = sum(columns.values()) / p + 0.2 * (firm % 7) + 0.05 * year
    columns |= {"y": eta + rng.normal(size=n), "count": rng.poisson(np.exp(0.3 * eta)) * 1.0}
    return pd.DataFrame(columns | {"firm": firm, "year": year, "worker": worker})


def fitted(program, case, data):
    text, loss, p = CASES[case]
    text = text.format(x=" + ".join(f"x{j}" for j in range(p)))
    if program == "pyfixest":
        import pyfixest as pf

        more = {"demeaner": pf.LsmrDemeaner()} if case == "hard" else {}
        fit = (pf.fepois if loss == "poisson" else pf.feols)(text, data, vcov={"CRV1": "firm"}, copy_data=False, store_data=False, **more)
        return np.asarray(fit.coef()), np.asarray(fit.se())
    import gradline as gl

    own = gl.losses.huber(1.35) if loss == "huber" else loss
    fit = gl.fit(text, data, loss=own, covariance="cluster", groups="firm")
    return fit.coefficients, fit.standard_errors


def written(case, n, firms, path):
    """The table as a Parquet file, a part at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, writer, rng = 1_000_000, None, np.random.default_rng(7)
    for start in range(0, n, rows):
        part = table(case, min(rows, n - start), seed=start)
        part["firm"] = rng.integers(0, firms, len(part))
        found = pa.Table.from_pandas(part.drop(columns=["worker", "count"]), preserve_index=False)
        writer = pq.ParquetWriter(path, found.schema) if writer is None else writer
        writer.write_table(found)
    writer.close()


def memory(name):
    """VmRSS or VmHWM of this process, in MiB."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def child(program, case, n, repeat):
    fitted(program, case, table(case, 2_000, seed=1))
    with tempfile.TemporaryDirectory() as folder:
        if case == "stream":
            data = f"{folder}/rows.parquet"
            written(case, n, min(n // 2, 5_000_000), data)
        else:
            data = table(case, n)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak starts anew
        before, times, own = memory("VmRSS"), [], []
        for _ in range(repeat):
            start, used = time.perf_counter(), time.process_time()
            coefficients, errors = fitted(program, case, data)
            times.append(time.perf_counter() - start)
            own.append(time.process_time() - used)
        peak = memory("VmHWM")
    held = {"coefficients": list(coefficients), "errors": list(errors)}
    print(json.dumps({"seconds": min(times), "processor": min(own), "mebibytes": peak - before, "process": peak} | held))


def ask(program, case, n, repeat):
    words = [sys.executable, __file__, "--child", program, "--only", case, "--rows", str(n), "--repeat", str(repeat)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{case}: {program} failed: {done.stderr.strip().splitlines()[-1]}")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def beside(name, mine, theirs):
    if mine is None or theirs is None:
        return
    off = max(abs(np.array(mine["coefficients"]) / np.array(theirs["coefficients"]) - 1).max(), 0.0)
    wrong = abs(np.array(mine["errors"]) / np.array(theirs["errors"]) - 1).max()
    print(
        f"{name}: {mine['seconds']:.2f} s beside {theirs['seconds']:.2f} s, ratio {mine['seconds'] / theirs['seconds']:.2f} (processors'"
        f" {mine['processor']:.1f} s beside {theirs['processor']:.1f}, {mine['processor'] / theirs['processor']:.2f}); memory"
        f" {mine['mebibytes']:,.0f} MiB beside {theirs['mebibytes']:,.0f} MiB (processes {mine['process']:,.0f} and"
        f" {theirs['process']:,.0f}); coefficients differ by {off:.0e}, errors by {wrong:.0e}",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=5_000_000)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--child")
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.only, asked.rows, asked.repeat)
        sys.exit()
    for case in asked.only.split(","):
        mine = ask("gradline", case, asked.rows, asked.repeat)
        if case == "huber":
            squared = ask("gradline", "two-way", asked.rows, asked.repeat)
            if mine is not None and squared is not None:
                ratio = mine["processor"] / squared["processor"]
                print(f"huber: {mine['processor']:.2f} s of processors, {ratio:.1f} times its least squares", flush=True)
            continue
        if case == "stream":
            if mine is not None:
                size = f"{asked.rows:,} rows, {min(asked.rows // 2, 5_000_000):,} firms"
                print(
                    f"stream: {size}, {mine['seconds']:.1f} s ({mine['processor']:.1f} of processors), {mine['mebibytes']:,.0f} MiB",
                    flush=True,
                )
            continue
        beside(case, mine, ask("pyfixest", case, asked.rows, asked.repeat))
