"""What workers of one machine cost beside threads, and what the driver holds.

    python benchmarks/cluster.py                       10,000,000 rows of 11 columns, 64 row groups
    python benchmarks/cluster.py --rows 1000000        a smaller table
    python benchmarks/cluster.py --kills 20            what the loss of a worker costs: so many fits, in each of which one is killed

Each time is the least of several fits in processes of their own, taken in turns: two threads in one process, one worker of one thread, two
workers. Starting workers is not counted. Seconds of the processor, of the driver and all workers together, depend little on what else runs.
A Huber fit passes over the rows about five times. The coefficients must be the same bits.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

FORMULA = "y ~ " + " + ".join(f"x{j}" for j in range(10))


def write(folder, rows, groups):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, per_file = np.random.default_rng(0), -(-rows // 8)
    for part in range(8):
        n = min(per_file, rows - part * per_file)
        columns = {f"x{j}": rng.normal(size=n) for j in range(10)}
        columns["y"] = sum(columns.values()) / 3 + rng.standard_t(3, size=n)
        pq.write_table(pa.table(columns), folder / f"part-{part}.parquet", row_group_size=-(-rows // groups))


def processor(cluster):
    """Seconds of the processor that this process and its workers have taken."""
    theirs = cluster._engine.seam.dask_client.run(time.process_time).values() if cluster else ()
    return time.process_time() + sum(theirs)


def measure(folder, workers):
    """Seconds of a fit, MiB this process held at most, and the bits: in a process of its own. workers: 0 for two threads here."""
    import gradline as gl
    from gradline.base import threads
    from gradline.preparing import from_table

    from_table.MOST_HELD = 0
    loss = gl.losses.huber(1.35)
    cluster = gl.Cluster.local(workers) if workers else None
    threads.available_cores = lambda: 2
    fit = gl.fit("y ~ x0", folder, loss=loss, cluster=cluster)  # imports, here and there
    before, started = processor(cluster), time.perf_counter()
    fit = gl.fit(FORMULA, folder, loss=loss, cluster=cluster)
    seconds = time.perf_counter() - started
    worked = processor(cluster) - before
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if cluster is not None:
        cluster.close()
    return {"seconds": seconds, "worked": worked, "held": held, "bits": fit.coefficients.tobytes().hex(), "passes": fit.solution.passes}


def measure_kills(folder, kills, groups):
    """Fits in turn without harm and with one of two workers killed (-9) at a random moment: what each kill cost, in seconds."""
    import gradline as gl
    from gradline.preparing import from_table

    from_table.MOST_HELD = 0
    draw, cost, whole = random.Random(0), [], []
    with gl.Cluster.local(2) as cluster:
        client = cluster._engine.seam.dask_client

        def fit():
            started = time.perf_counter()
            found = gl.fit(FORMULA, folder, loss=gl.losses.huber(1.35), cluster=cluster)
            return time.perf_counter() - started, found.coefficients.tobytes(), found.solution.passes

        _, bits, passes = fit()
        for _ in range(kills):
            seconds, same, _ = fit()
            whole.append(seconds)
            victim = draw.choice(sorted(client.run(os.getpid).values()))
            moment = draw.uniform(0.0, seconds)
            timer = threading.Timer(moment, os.kill, (victim, signal.SIGKILL))
            timer.start()
            harmed, after, _ = fit()
            timer.join()
            assert same == after == bits, "the bits differ"
            cost.append(harmed - seconds)
            print(f"  killed after {moment:5.2f} s: {harmed:6.2f} s, {seconds:6.2f} s without", flush=True)
            client.wait_for_workers(2)
            fit()  # the successor imports what it needs
    span = 2 * statistics.median(whole) / (passes * groups)
    cost.sort()
    print(f"{kills} kills, the same bits; a part of the rows takes a worker {span:.2f} s")
    print(f"  a kill cost {statistics.median(cost):.2f} s in the middle and {cost[-1]:.2f} s at most (aim: 5 s more than the lost part)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--groups", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--measure", nargs=2)
    parser.add_argument("--write")
    given = parser.parse_args()
    if given.write:
        write(Path(given.write), given.rows, given.groups)
        return
    if given.measure:
        print(json.dumps(measure(given.measure[0], int(given.measure[1]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A process has for its own what its parent held at most before it: this one holds nothing.
        call = [sys.executable, __file__, "--write", name, "--rows", str(given.rows), "--groups", str(given.groups)]
        subprocess.run(call, check=True)
        if given.kills:
            measure_kills(folder, given.kills, given.groups)
            return
        found = {workers: [] for workers in (0, 1, 2)}
        for _ in range(given.repeats):
            for workers in found:
                call = [sys.executable, __file__, "--measure", name, str(workers)]
                said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
                found[workers].append(json.loads(said.splitlines()[-1]))
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    assert len({one["bits"] for runs in found.values() for one in runs}) == 1, "the bits differ"
    best = {workers: min(one["seconds"] for one in runs) for workers, runs in found.items()}
    held = max(one["held"] for runs in (found[1], found[2]) for one in runs)
    print(f"{given.rows:,} rows x 11, {size:,.0f} MiB of Parquet, {found[0][0]['passes']} passes of the solver; the same bits everywhere")
    worked = {workers: min(one["worked"] for one in runs) for workers, runs in found.items()}
    for workers, seconds in best.items():
        who = "two threads" if not workers else f"{workers} worker" + "s" * (workers > 1)
        print(f"  {who:12} {seconds:7.2f} s, {worked[workers]:6.2f} s of the processor")
    print(f"  two workers : two threads   {best[2] / best[0]:.2f}   (aim: at most 1.25)")
    print(f"  one worker : two workers    {best[1] / best[2]:.2f}   (aim: at least 1.7)")
    print(f"  of the processor, two workers : two threads   {worked[2] / worked[0]:.2f}")
    print(f"  the driver held             {held:.0f} MiB (aim: under 400)")


if __name__ == "__main__":
    main()
