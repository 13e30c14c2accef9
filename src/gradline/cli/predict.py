"""``gradline predict``: a saved model's predictions for every row of a table, in constant memory."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from gradline.base.errors import ArgumentError


def predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model that gradline fit --out has saved.", show_default=False, readable=False)
    ],
    data: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="The rows to predict for: whatever gradline fit reads, - included.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.parquet|FILE.csv|FOLDER",
            help="Write the predictions here; to a folder as Parquet files, by whoever reads the rows.",
            show_default="printed as CSV",
        ),
    ] = None,
    keep: Annotated[str | None, typer.Option(metavar="COLUMN,...", help="Columns to copy beside the predictions, such as id,date.")] = None,
    kind: Annotated[str, typer.Option(metavar="mean|linear", help="The prediction, or the linear predictor behind it.")] = "mean",
    unseen: Annotated[
        str, typer.Option(metavar="error|reference|missing", help="A level that was not there when the model was fitted.")
    ] = "error",
    interval: Annotated[
        str | None, typer.Option(metavar="confidence|prediction", help="Add the ends of an interval: for the mean, or for a new target.")
    ] = None,
    level: Annotated[float, typer.Option(metavar="NUMBER", help="Of the interval.")] = 0.95,
    calibration: Annotated[
        str | None, typer.Option(metavar="DATA", help="Rows the fit has not seen, with targets, for split conformal intervals.")
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Predict for the rows that meet a condition only.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A SELECT that gives the rows; DATA is called data in it.")] = None,
    database: Annotated[str | None, typer.Option(metavar="FILE|URI", help="A DuckDB or SQLite file, or an address.")] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Workers that read Parquet files: a Dask scheduler's tcp://host:8786, or local:4 for four here."
        ),
    ] = None,
) -> None:
    """Predict with a saved model: one row out for each row in, in order, empty where an input is missing.

    \b
    Examples:
      gradline predict model.json new.csv
      gradline predict model.json new.csv --out predictions.csv --keep id
      gradline predict model.json "2026/*.parquet" --out predictions.parquet --keep id,date
      gradline predict model.json "2026/*.parquet" --out predictions --keep id --cluster local:4
      gradline predict model.json flats --database city.duckdb --out predictions.csv
      gradline predict model.json new.csv --unseen missing
      gradline predict model.json new.csv --interval prediction --level 0.9
    """
    from gradline.cli.options import check_model_columns, check_out, input_files, usage
    from gradline.cli.wording import noting_warnings

    if data is None and query is None:
        raise usage("give the rows to predict for, as in: gradline predict model.json new.csv")
    for option, value, known in (("--kind", kind, ("mean", "linear")), ("--unseen", unseen, ("error", "reference", "missing"))):
        if value not in known:
            raise usage(f"{option} must be {', '.join(known[:-1])} or {known[-1]}, not {value!r}")
    if interval not in (None, "confidence", "prediction"):
        raise usage(f"--interval must be confidence or prediction, not {interval!r}")
    for option, given in (("--level", level != 0.95), ("--calibration", calibration is not None)):
        if given and interval is None:
            raise usage(f"{option} goes with --interval")
    from gradline.api.loading import load
    from gradline.cli.clusters import opened_cluster, table_on
    from gradline.tables.progress import watching

    with noting_warnings(), opened_cluster(cluster) as workers:
        fitted = load(model)
        folder = out is not None and (out.is_dir() or not out.suffix)
        if out is not None and not folder:
            check_out(out, "--out", [str(model), *input_files(data, database)], (".parquet", ".csv"))
        table = table_on(workers, data, query=query, database=database, where=where)
        if query is None:
            check_model_columns(fitted, table, targets=False)
        kept = [name.strip() for name in keep.split(",") if name.strip()] if keep else []
        table.check_columns(kept)
        with watching("predicting", None) as meter:
            counted = table.counted_by(meter)
            if folder and out is not None:
                asked = {} if interval is None else {"interval": interval, "level": level, "calibration": calibration}
                files = fitted.predict_to(out, counted, kind, keep=kept, unseen=unseen, **asked)  # type: ignore[arg-type]
                typer.echo(f"predictions written: {len(files):,} files in {out}")
                return
            rows = write_predictions(fitted, counted, out, kept, kind, unseen, _interval(fitted, kind, interval, level, calibration))
    if out is not None:
        typer.echo(f"{rows:,} predictions written: {out}")


def _interval(fitted: Any, kind: Any, interval: str | None, level: float, calibration: str | None) -> Any:
    if interval is None:
        return None
    from gradline.model.intervals import interval_outputs

    return interval_outputs(fitted, kind, interval, level, calibration)


def write_predictions(fitted: Any, table: Any, out: Path | None, keep: list[str], kind: Any, unseen: Any, interval: Any = None) -> int:
    """Write as the rows come, and return how many there were. Raises ValueError for a kept column that is called like a prediction."""
    from gradline.cli.table_writer import open_writer
    from gradline.model.outputs import points
    from gradline.model.predict_table import encoder_of, output_names, prediction_stream
    from gradline.model.written_predictions import check_kept, with_predictions

    encoder = encoder_of(fitted)
    names = output_names(fitted, kind)
    if interval is not None:
        names += output_names(fitted, kind, "lower") + output_names(fitted, kind, "upper")
    for name in names:
        if name in keep:
            raise ArgumentError(f"--keep {name!r}: the predictions are called so; rename the column, say with --query")
    check_kept(table, keep, parquet=out is not None and out.suffix.lower() == ".parquet", keyword="--keep")
    table = table.exactly([name for name in keep if name not in encoder.feature_columns])
    carried = keep or list(table.schema.names)[:1]
    absorbed = () if fitted.absorbed is None else fitted.absorbed.columns
    narrowed = table.restricted([*encoder.feature_columns, *absorbed, *carried])
    fields = [table.schema.field(name) for name in keep]
    rows = 0
    stream = prediction_stream(fitted, encoder, narrowed, interval or points(fitted, kind), unseen, carried)
    # Nothing is written, no header either, before there is a first prediction.
    first = list(islice(stream, 1))
    with open_writer(out, fields, names) as write:
        for values, kept in chain(first, stream):
            write(with_predictions(kept.select(keep), fields, names, values))
            rows += len(values)
    return rows
