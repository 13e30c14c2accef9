"""What a fit on many machines takes: a model of its parts, and a simulation of the driver's own loop with delays and failures beside it.

    python benchmarks/cluster_model.py                 10^10 rows of 11 columns on 100 workers
    python benchmarks/cluster_model.py --measure       with the parts measured on this machine

The model: a pass is rows / (workers x rows a second a worker), a round trip for each task that is not hidden behind others, and the
driver's time to take every task's state. The simulation runs ``gradline.cluster.scheduling.Loop`` on a clock of its own, with tasks whose
times vary and with workers that die and come back.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

import simulated  # noqa: E402

from gradline.cluster.scheduling import Avoided, Loop, Patience  # noqa: E402


@dataclass(frozen=True)
class Parts:
    """What was measured on a machine of two cores that had much else to do. rows_a_second: that a worker of one thread reads, decodes and
    adds up; bytes_a_row: of Parquet; state: bytes of a task's sums; trip: seconds from handing out a task to having its outcome, without
    its work; taking: the driver's own seconds for a task."""

    rows_a_second: float = 1.2e7
    bytes_a_row: float = 110.0
    state: float = 1_700.0
    trip: float = 0.013
    taking: float = 0.0022


def model(parts, rows, workers, rows_a_task, deaths=0.0, restart=5.0):
    """Seconds of a pass. deaths: workers that die in it; each costs its task once more, and its time to come back."""
    tasks = rows / rows_a_task
    work = rows / (workers * parts.rows_a_second)
    # Two tasks a worker are handed out, so that the trip of one hides behind the work of the other.
    exposed = max(0.0, parts.trip - rows_a_task / parts.rows_a_second) * tasks / workers
    lost = deaths * (1.5 * rows_a_task / parts.rows_a_second + restart) / workers
    last = rows_a_task / parts.rows_a_second
    return max(work + exposed + lost, tasks * parts.taking) + last + parts.trip


def simulate(parts, rows, workers, rows_a_task, deaths=0.0, restart=5.0, spread=0.2, seed=0):
    """Seconds of the driver's loop on simulated workers. spread: of the logarithm of a task's time."""
    draw, clock = random.Random(seed), simulated.Clock()
    mean = rows_a_task / parts.rows_a_second

    def seconds(number):
        return mean * draw.lognormvariate(-(spread**2) / 2, spread) + parts.trip / 2

    seam = simulated.Seam(clock, workers, seconds, restart=restart)
    expected = model(parts, rows, workers, rows_a_task)
    for _ in range(round(deaths)):
        clock.at(draw.uniform(0, expected), lambda: seam.workers and draw.choice(list(seam.workers.values())).die())
    tasks = [simulated.Task(i) for i in range(round(rows / rows_a_task))]
    for count, _ in enumerate(Loop(seam, tasks, Patience(), Avoided(), clock).outcomes()):
        assert count < len(tasks)
        clock.advance(parts.taking)
    return clock.time


def measured():
    """The parts on this machine. Work is timed in seconds of the processor, so that whatever else it does counts less; a round trip is
    timed as it passes, to a worker process and back."""
    import pickle
    import tempfile

    import cluster as timings
    from gradline.cluster.cluster import Cluster
    from gradline.solvers.least_squares.second_moments import MomentsKernel
    from gradline.tables.encoders import PlainEncoder
    from gradline.tables.rows import TableRows
    from gradline.tables.table import open_table

    with tempfile.TemporaryDirectory() as name:
        timings.write(Path(name), 1_000_000, 16)
        size = sum(path.stat().st_size for path in Path(name).iterdir())
        rows = TableRows(open_table(name), PlainEncoder([f"x{j}" for j in range(10)]), "y", threads=1)
        state = rows.reduce(MomentsKernel())
        started = time.process_time()
        for _ in range(3):
            rows.reduce(MomentsKernel())
        speed = 3 * rows.n_rows / (time.process_time() - started)
        n = rows.n_rows
    sums = len(pickle.dumps(state))
    with Cluster.local(1) as cluster:
        seam = cluster._engine.seam
        seam.submit("nothing", bytes, 8).result()
        trips = []
        for _ in range(50):
            started = time.perf_counter()
            seam.submit("nothing", bytes, sums).result()
            trips.append(time.perf_counter() - started)
        # This process is client and scheduler here: more than a driver alone has to do.
        started = time.process_time()
        futures = [seam.submit("nothing", bytes, sums) for _ in range(500)]
        for future in futures:
            future.result()
        taking = (time.process_time() - started) / len(futures)
    return Parts(speed, size / n, float(sums), sorted(trips)[len(trips) // 2], taking)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e10)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--task", type=float, default=3e6, help="rows of a task")
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    parts = measured() if given.measure else Parts()
    print(parts)
    print(f"{given.rows:.0e} rows in tasks of {given.task:.0e}, seconds of a pass")
    print(f"{'workers':>8} {'deaths':>7} {'model':>8} {'simulated':>10} {'ratio':>6}")
    for workers in sorted({given.workers // 4, given.workers, 4 * given.workers}):
        for deaths in (0, workers // 10):
            told = model(parts, given.rows, workers, given.task, deaths)
            seen = simulate(parts, given.rows, workers, given.task, deaths)
            print(f"{workers:8d} {deaths:7d} {told:8.1f} {seen:10.1f} {seen / told:6.2f}")
    whole = given.passes * model(parts, given.rows, given.workers, given.task)
    traffic = given.rows / given.task * parts.state / 2**20
    read = parts.rows_a_second * parts.bytes_a_row / 2**20
    print(f"a fit of {given.passes} passes on {given.workers} workers: {whole / 60:.1f} minutes")
    print(f"storage gives each worker {read:.0f} MiB/s, all {read * given.workers / 2**10:.1f} GiB/s; {traffic:.0f} MiB of sums a pass")


if __name__ == "__main__":
    main()
