"""Fits from tables beside the tools people use, each a ratio within one run.

python benchmarks/tables.py [--rows 1.0] [--folder DIR] [--jobs parquet,groups,duckdb,stream,csv,levels,small]

--rows: a share of the full sizes (10,000,000 rows x 11 of Parquet and DuckDB, 100,000,000 rows made by a query, 5,000,000 x 6 of CSV,
2,000,000 rows with 10,000 levels). Each measurement is a process of its own, so that peak memory is its own, and both sides take turns; a
time is the median, since what a process waits for memory varies several times over. Times leave imports out except for commands,
which are timed from start to finish.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# A command is timed as it is where it has run before: with its modules compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

NAMES = [f"x{i}" for i in range(1, 11)]
TEN = "y ~ " + " + ".join(NAMES)
LEVELS = 10_000
MEASURE = """
import json, resource, sys, time
{setup}
started = time.perf_counter()
{body}
seconds = time.perf_counter() - started
print(json.dumps([seconds, max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024]))
"""


def measure(*jobs, repeats=5):
    """(median seconds, peak MiB) over fresh processes, for each (setup, body): they take turns."""
    found = [[] for _ in jobs]
    for _ in range(repeats):
        for (setup, body), results in zip(jobs, found, strict=True):
            result = subprocess.run([sys.executable, "-c", MEASURE.format(setup=setup, body=body)], capture_output=True, text=True)
            if result.returncode:
                raise SystemExit(f"{body}\n{result.stderr[-2000:]}")
            results.append(json.loads(result.stdout.splitlines()[-1]))
    return [(statistics.median(seconds for seconds, _ in results), max(memory for _, memory in results)) for results in found]


def fit(formula, data, **options):
    given = "".join(f", {name}={value}" for name, value in options.items())
    return f"str(gl.fit({formula!r}, {data}{given}).summary())"


PANDAS = "import pandas as pd, pyarrow.parquet"
WARM = """import gradline as gl, numpy as np, duckdb, pyarrow.parquet
str(gl.fit("y ~ x", {"x": [0.0, 1.0, 2.5], "y": [1.0, 2.0, 2.0]}).summary())"""


def report(what, found, beside, peer, limit):
    ratio = found[0] / peer[0]
    print(
        f"{what:58s} {found[0]:7.2f} s {found[1]:6.0f} MiB   {beside:30s} {peer[0]:7.2f} s {peer[1]:6.0f} MiB   ratio {ratio:5.2f}{limit}"
    )


def rows_of_ten(rows):
    made = ", ".join(f"random() * {i} - 1 AS {name}" for i, name in enumerate(NAMES, 1))
    mean = " + ".join(f"{1 + i / 4} * {name}" for i, name in enumerate(NAMES))
    # The sum of three uniforms is close enough to normal.
    return f"SELECT *, {mean} + random() + random() + random() AS y FROM (SELECT {made} FROM range({rows}))"


def parquet(folder, share):
    import duckdb

    path = str(folder / "ten.parquet")
    if not os.path.exists(path):
        duckdb.sql(f"COPY ({rows_of_ten(int(10_000_000 * share))}) TO '{path}'")
    huber = fit(TEN, repr(path), loss="gl.losses.huber(1.35)")
    peer, squared, robust = measure((PANDAS, f"pd.read_parquet({path!r})"), (WARM, fit(TEN, repr(path))), (WARM, huber))
    report("Parquet, squared", squared, "pandas.read_parquet", peer, " (at most 1)")
    report("Parquet, huber", robust, "pandas.read_parquet", peer, " (at most 4.5)")


GRAM = """import numpy as np, pyarrow.parquet as pq
total = np.zeros((11, 11))
for batch in pq.ParquetFile({path!r}).iter_batches(65536):
    columns = np.array([np.frombuffer(c.buffers()[1], count=len(c), offset=8 * c.offset) for c in batch.columns])
    total += columns @ columns.T"""


def groups(folder, share):
    """Ten row groups, as most writers make them; noise that sums of products hold easily, and noise so small that they do not."""
    import duckdb

    names = [*NAMES, "y"]
    sums = ", ".join(f"sum({a} * {b})" for i, a in enumerate(names) for b in names[i:])
    rows = int(10_000_000 * share)
    for title, noise in (("ten row groups", 1.0), ("little noise", 1e-4)):
        path = str(folder / f"groups-{noise:g}.parquet")
        if not os.path.exists(path):
            query = rows_of_ten(rows).replace("+ random() + random() + random() AS y", f"+ {noise} * (random() + random() + random()) AS y")
            size = max(rows // 10, 2048)
            duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {size})")
        command = [str(Path(sys.executable).with_name("gradline")), "fit", path, TEN]
        run = "subprocess.run({}, check=True, stdout=subprocess.DEVNULL)"
        script = [sys.executable, "-c", f"import pandas as pd\npd.read_parquet({path!r})"]
        read, gram, duck, found, whole_read, whole = measure(
            (PANDAS, f"pd.read_parquet({path!r})"),
            ("", GRAM.format(path=path)),
            ("import duckdb", f"duckdb.sql(\"SELECT {sums} FROM '{path}'\").fetchall()"),
            (WARM, fit(TEN, repr(path))),
            ("import subprocess", run.format(script)),
            ("import subprocess", run.format(command)),
        )
        report(f"{title}, squared", found, "pandas.read_parquet", read, " (at most 1)")
        report(f"{title}, squared", found, "pyarrow, a plain Gram", gram, "")
        report(f"{title}, squared", found, "DuckDB's sums", duck, "")
        report(f"{title}, the command", whole, "a script that reads by pandas", whole_read, " (at most 1, and at most 600 MiB)")


def database(folder, share):
    import duckdb

    path, parquet_path = str(folder / "ten.duckdb"), str(folder / "ten.parquet")
    if not os.path.exists(path):
        connection = duckdb.connect(path)
        connection.execute(f"CREATE TABLE ten AS {rows_of_ten(int(10_000_000 * share))}")
        connection.execute(f"COPY ten TO '{parquet_path}.copy' (FORMAT parquet)")
        connection.close()
    fits = [(WARM, fit(TEN, "'ten'", database=repr(path), loss=loss)) for loss in ("'squared'", "gl.losses.huber(1.35)")]
    peer, squared, robust = measure((PANDAS, f"pd.read_parquet({parquet_path + '.copy'!r})"), *fits)
    report("DuckDB table, squared", squared, "pandas.read_parquet", peer, " (at most 1)")
    report("DuckDB table, huber", robust, "pandas.read_parquet", peer, " (at most 4.5)")


def stream(folder, share):
    small, large = (
        rows_of_ten(int(rows * share)).replace("random()", "hash(range * {k}) / 1.8446744e19") for rows in (10_000_000, 100_000_000)
    )

    def fixed(query):
        # A query is read again at each pass, and must give the same rows: numbers from a hash of the row.
        parts = query.split("{k}")
        return "".join(part + (str(7919 * (i + 1)) if i < len(parts) - 1 else "") for i, part in enumerate(parts))

    def inside(query):
        head, _, tail = query.partition(" FROM range(")
        return f"{head}, range FROM range({tail}"

    peer, found = measure(*[(WARM, fit(TEN, "None", query=repr(fixed(inside(query))))) for query in (small, large)], repeats=1)
    report("100,000,000 rows made by a query", found, "10,000,000 rows", peer, f" (memory: {found[1] / peer[1]:.2f} times)")


def delimited(folder, share):
    import duckdb

    path = str(folder / "six.csv")
    if not os.path.exists(path):
        columns = ", ".join([*NAMES[:5], "y"])
        duckdb.sql(f"COPY (SELECT {columns} FROM ({rows_of_ten(int(5_000_000 * share))})) TO '{path}'")
    sums = ", ".join(f"sum({name})" for name in [*NAMES[:5], "y"])
    summed = ("import duckdb", f"duckdb.sql(\"SELECT {sums} FROM '{path}'\").fetchall()")
    peer, found = measure(summed, (WARM, fit("y ~ x1 + x2 + x3 + x4 + x5", repr(path))))
    report("CSV, squared", found, "DuckDB's sum", peer, " (at most 1.3)")


def levels(folder, share):
    import duckdb

    path = str(folder / "levels.parquet")
    if not os.path.exists(path):
        five = ", ".join(NAMES[:5])
        group = f"'g' || (random() * {LEVELS - 1})::INT AS g"
        inner = f"SELECT {five}, y, {group} FROM ({rows_of_ten(int(2_000_000 * share))})"
        duckdb.sql(f"COPY ({inner}) TO '{path}'")
    load = f"import pandas as pd, glum\nd = pd.read_parquet({path!r})\nd['g'] = d['g'].astype('category')"
    solve = "glum.GeneralizedLinearRegressor(alpha=0, drop_first=True, max_iter=5).fit(d.drop(columns='y'), d['y'])"
    peer, found = measure((load, solve), (WARM, fit("y ~ x1 + x2 + x3 + x4 + x5 + C(g)", repr(path))), repeats=1)
    report("10,000 levels, squared", found, "glum", peer, " (below 1, and at most 1024 MiB)")


def small(folder, share):
    import duckdb

    path = str(folder / "small.csv")
    duckdb.sql(f"COPY (SELECT x, 6 * x - 5 + random() AS y FROM (SELECT random() AS x FROM range(1000))) TO '{path}'")
    command = [str(Path(sys.executable).with_name("gradline")), "fit", path, "y ~ x"]
    script = f"import pandas as pd, statsmodels.formula.api as s\nprint(s.ols('y ~ x', pd.read_csv({path!r})).fit().summary())"
    run = "subprocess.run({}, check=True, stdout=subprocess.DEVNULL)"
    peer, found = measure(("import subprocess", run.format([sys.executable, "-c", script])), ("import subprocess", run.format(command)))
    report("gradline fit small.csv, start to finish", found, "a statsmodels script", peer, " (at most 0.75)")


JOBS = {"parquet": parquet, "groups": groups, "duckdb": database, "stream": stream, "csv": delimited, "levels": levels, "small": small}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1.0, help="share of the full number of rows")
    parser.add_argument("--folder", type=Path, help="where the files are made and kept; a temporary folder unless given")
    parser.add_argument("--jobs", default=",".join(JOBS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gradline-benchmark-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.jobs.split(","):
            JOBS[name](folder, options.rows)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
