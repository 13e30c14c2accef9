"""``gradline plot``: pictures of a saved model over a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plot(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A model that gradline fit --out has saved; for --kind path also a path of gradline path --path-out.",
            show_default=False,
            readable=False,
        ),
    ],
    data: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="The rows to draw: whatever gradline fit reads. Not for --kind path.", show_default=False),
    ] = None,
    kind: Annotated[str, typer.Option(metavar="WHAT", help="fit, effects, residuals, calibration, roc or path.")] = "fit",
    level: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of bands and intervals; 0.95 unless given.", show_default=False)
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="The band of --kind fit: confidence, prediction or none; confidence unless the fit has no standard errors.",
            show_default=False,
        ),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="With --kind effects: predictions along this column; all columns' effects unless given."),
    ] = None,
    theme: Annotated[str, typer.Option(metavar="PAPER", help="light or dark.")] = "light",
    out: Annotated[Path, typer.Option(metavar="FILE.png|FILE.svg|FILE.pdf", help="Where the picture goes.")] = Path("plot.png"),
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Draw the rows that meet a condition only.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A SELECT that gives the rows; DATA is called data in it.")] = None,
    database: Annotated[str | None, typer.Option(metavar="FILE|URI", help="A DuckDB or SQLite file, or an address.")] = None,
) -> None:
    """Draw a saved model: what was fitted over its points, effects, residuals, calibration, a ROC curve or a path.

    fit: over one column of numbers the curve with its band, over two the plane, else observed against predicted; of classes their
    probabilities beside the shares observed. At most 5,000 rows are drawn as points, a random sample of all.

    \b
    Examples:
      gradline plot model.json flats.csv
      gradline plot model.json flats.csv --level 0.9 --interval prediction
      gradline plot model.json "sales/*.parquet" --out sales.svg --where "year = 2026"
      gradline plot model.json flats.csv --kind effects --of area
      gradline plot bought.json visits.csv --kind roc --out roc.png
      gradline plot path.json --kind path
    """
    from gradline.cli.options import check_model_columns, check_out, input_files, require_drawing, usage
    from gradline.cli.plot_kinds import KINDS, Asked, check_asked

    if kind not in KINDS:
        raise usage(f"--kind must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, not {kind!r}")
    if kind == "path":
        if data is not None or query is not None:
            raise usage("a path holds all that its picture shows, so --kind path takes no rows: gradline plot path.json --kind path")
    elif data is None and query is None:
        raise usage("give the rows to draw, as in: gradline plot model.json flats.csv")
    if theme not in ("light", "dark"):
        raise usage(f"--theme must be light or dark, not {theme!r}")
    asked = Asked(kind, level, interval, of)
    check_asked(asked)
    require_drawing("plotting needs")
    from gradline.cli.pictures import use_screenless, write_picture
    from gradline.cli.plot_kinds import draw, draw_path
    from gradline.cli.wording import noting_warnings

    with noting_warnings():
        use_screenless()
        check_out(out, "--out", [str(model), *input_files(data, database)], (".png", ".svg", ".pdf"))
        from gradline.plot.style import theme as paper

        with paper("dark" if theme == "dark" else "light"):
            if kind == "path":
                write_picture(draw_path(model), out)
            else:
                from gradline.api.loading import load
                from gradline.tables.table import open_table

                fitted = load(model)
                table = open_table(data, query=query, database=database, where=where)
                if query is None:
                    check_model_columns(fitted, table)
                write_picture(draw(fitted, table, asked), out)
    typer.echo(f"picture written: {out}")
