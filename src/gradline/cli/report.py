"""``gradline report``: a saved model over a table, as one page to read, keep and print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gradline.api.result import Fit


def report(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model that gradline fit --out has saved.", show_default=False, readable=False)
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Its rows, or new ones: whatever gradline fit reads.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="Where the page goes.")] = Path("report.html"),
    weights: Annotated[str | None, typer.Option(metavar="COLUMN", help="Precision weights, where not those of the fit.")] = None,
    frequencies: Annotated[str | None, typer.Option(metavar="COLUMN", help="How often each row counts, where not that of the fit.")] = None,
    loss_from: Annotated[
        str | None, typer.Option(metavar="FILE.py:NAME", help="The model's own loss again: function NAME(y, prediction) in FILE.py.")
    ] = None,
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Report on the rows that meet a condition only.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A SELECT that gives the rows; DATA is called data in it.")] = None,
    database: Annotated[str | None, typer.Option(metavar="FILE|URI", help="A DuckDB or SQLite file, or an address.")] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Workers that read Parquet files: a Dask scheduler's tcp://host:8786, or local:4 for four here."
        ),
    ] = None,
) -> None:
    """Write a page about a model: warnings first, then what was fitted, its coefficients, diagnostics, and how to read each.

    One HTML file that needs no other file: open it in a browser, send it by mail, print it. Give the rows the model was fitted to;
    for others the page says so, and leaves out what is of the fit's own rows.

    \b
    Examples:
      gradline fit flats.csv "price ~ area + C(city)" --out model.json
      gradline report model.json flats.csv
      gradline report model.json flats.csv --out price-model.html
      gradline report model.json "sales/*.parquet" --where "year = 2026"
      gradline report model.json flats --database city.duckdb
      gradline report model.json flats.csv --loss-from my_losses.py:late
    """
    from gradline.cli.options import check_model_columns, check_out, input_files, require_drawing, usage

    if data is None and query is None:
        raise usage("give the rows the model was fitted to, as in: gradline report model.json flats.csv")
    require_drawing("a report draws with")
    from gradline.cli.clusters import opened_cluster, table_on
    from gradline.cli.pictures import use_screenless
    from gradline.cli.wording import as_options, noting_warnings

    with noting_warnings(), opened_cluster(cluster) as workers:
        fitted = _load(model, loss_from)
        check_out(out, "--out", [str(model), *input_files(data, database)], (".html", ".htm"))
        use_screenless()
        from gradline.report import build, data_name
        from gradline.tables.progress import watching

        table = table_on(workers, data, query=query, database=database, where=where)
        if query is None:
            check_model_columns(fitted, table)
        name = data_name(data, database=database, where=where)
        with watching("reading rows", None) as meter:
            made = build(fitted, table.counted_by(meter), name=name, words=as_options, weights=weights, frequencies=frequencies)
        made.save(out)
    typer.echo(f"report written: {out}")
    for concern in made.concerns:
        typer.echo(f"  {concern.level}: {concern.title}")


def _load(path: Path, loss_from: str | None) -> Fit:
    """The model. Raises BadParameter where its own loss is needed again."""
    from gradline.api.loading import load
    from gradline.cli.options import read_loss, usage

    if loss_from is not None:
        return load(path, loss=read_loss("squared", loss_from))
    fitted = load(path)
    if not fitted.loss_function.is_at_hand:
        name = fitted.loss_name
        raise usage(
            f"the model's loss is a function of its author's, which a model file never runs: give it again, --loss-from FILE.py:{name}"
        )
    return fitted
