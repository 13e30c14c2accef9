"""``gradline plot``: a saved model's picture over a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plot(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model that gradline fit --out has saved.", show_default=False, readable=False)
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="The rows to draw: whatever gradline fit reads.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE.png|FILE.svg|FILE.pdf", help="Where the picture goes.")] = Path("plot.png"),
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Draw the rows that meet a condition only.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A SELECT that gives the rows; DATA is called data in it.")] = None,
    database: Annotated[str | None, typer.Option(metavar="FILE|URI", help="A DuckDB or SQLite file, or an address.")] = None,
) -> None:
    """Draw a saved model: the curve over its points where one column of numbers explains one target, else observed against predicted.

    At most 5,000 rows are drawn, a random sample of all.

    \b
    Examples:
      gradline plot model.json flats.csv
      gradline plot model.json "sales/*.parquet" --out sales.svg --where "year = 2026"
    """
    from gradline.cli.options import check_out, input_files, require_drawing, usage

    if data is None and query is None:
        raise usage("give the rows to draw, as in: gradline plot model.json flats.csv")
    require_drawing("plotting needs")
    from gradline.api.loading import load
    from gradline.cli.wording import noting_warnings
    from gradline.tables.table import open_table

    with noting_warnings():
        fitted = load(model)
        check_out(out, "--out", [str(model), *input_files(data, database)], (".png", ".svg", ".pdf"))
        table = open_table(data, query=query, database=database, where=where)
        from gradline.cli.pictures import draw_table

        draw_table(fitted, table, out)
    typer.echo(f"picture written: {out}")
