"""``gradline effects``: what a saved model's columns do to its prediction, predictions at chosen values, levels compared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gradline.summary.result_table import ResultTable

COMPARISONS = ("pairs", "reference", "sequential")
KINDS = {"average": "average", "at-means": "at means", "each-row": "each row"}


def effects(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model that gradline fit --out has saved.", show_default=False, readable=False)
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="The rows to average over: whatever gradline fit reads. Not needed where the answer does not depend on them.",
            show_default=False,
        ),
    ] = None,
    of: Annotated[str | None, typer.Option(metavar="COLUMN,...", help="Effects of these columns.", show_default="all of them")] = None,
    predictions: Annotated[bool, typer.Option("--predictions", help="Predictions in place of effects.")] = False,
    contrasts: Annotated[
        str | None, typer.Option(metavar="TERM", help="The levels of a category compared with each other, such as region.")
    ] = None,
    compare: Annotated[
        str,
        typer.Option(metavar="pairs|reference|sequential", help="With --contrasts: every pair; with the reference; with the one before."),
    ] = "pairs",
    adjust: Annotated[
        str | None, typer.Option(metavar="holm|bonferroni|tukey", help="With --contrasts: for how many comparisons there are.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE,...", help="Set a column to these values, or to all its levels: region=all. Repeatable."),
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="COLUMN,...", help="Groups of rows to tell apart.")] = None,
    kind: Annotated[
        str, typer.Option(metavar="average|at-means|each-row", help="Over the rows; with other columns at their means; for each row.")
    ] = "average",
    scale: Annotated[str, typer.Option(metavar="mean|linear", help="Of the prediction, or of the linear predictor.")] = "mean",
    change: Annotated[
        str | None, typer.Option(metavar="SIZE|FROM,TO", help="In place of a slope, what a step of this size makes, or a move.")
    ] = None,
    ratio: Annotated[bool, typer.Option("--ratio", help="Ratios of two predictions in place of differences.")] = False,
    level: Annotated[float, typer.Option(metavar="NUMBER", help="Of the intervals.")] = 0.95,
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Over the rows that meet a condition only.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A SELECT that gives the rows; DATA is called data in it.")] = None,
    database: Annotated[str | None, typer.Option(metavar="FILE|URI", help="A DuckDB or SQLite file, or an address.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv|FILE.parquet|FILE.md|FILE.tex|FILE.html", help="Write the table here as well.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png|FILE.svg|FILE.pdf", help="Draw the table here.")] = None,
) -> None:
    """What a column does to the prediction, with errors and intervals; or predictions at chosen values; or levels compared.

    \b
    Examples:
      gradline effects model.json flats.csv
      gradline effects model.json flats.csv --of area --by city
      gradline effects model.json --predictions --at area=40,60,80 --at city=all
      gradline effects model.json flats.csv --contrasts city --adjust holm
      gradline effects model.json flats.csv --of area --change 10 --ratio --plot effects.png --out effects.csv
    """
    from gradline.cli.options import check_out, input_files, require_drawing, usage
    from gradline.cli.wording import noting_warnings

    if predictions and contrasts is not None:
        raise usage("--predictions and --contrasts are two questions: ask one at a time")
    for option, given in (("--of", of is not None), ("--change", change is not None), ("--ratio", ratio)):
        other = "--predictions" if predictions else "--contrasts" if contrasts is not None and option != "--ratio" else None
        if given and other:
            raise usage(f"{option} does not go with {other}")
    for option, given in (("--compare", compare != "pairs"), ("--adjust", adjust is not None)):
        if given and contrasts is None:
            raise usage(f"{option} goes with --contrasts")
    for option, value, known in (("--compare", compare, COMPARISONS), ("--kind", kind, (*KINDS,)), ("--scale", scale, ("mean", "linear"))):
        if value not in known:
            raise usage(f"{option} must be {', '.join(known[:-1])} or {known[-1]}, not {value!r}")
    if data is None and query is None and (where is not None or database is not None):
        raise usage("--where and --database go with DATA or --query: the rows to average over")
    if plot is not None:
        require_drawing("--plot needs")
    from gradline.api.loading import load
    from gradline.tables.table import open_table

    with noting_warnings():
        fitted = load(model)
        inputs = [str(model), *input_files(data, database)]
        if out is not None:
            check_out(out, "--out", inputs, (".csv", ".parquet", ".md", ".tex", ".html"))
        if plot is not None:
            check_out(plot, "--plot", inputs, (".png", ".svg", ".pdf"))
        rows = None if data is None and query is None else open_table(data, query=query, database=database, where=where)
        common: dict[str, Any] = {
            "by": _names(by),
            "at": _values(at or [], fitted),
            "kind": KINDS[kind],
            "data": rows,
            "scale": scale,
            "level": level,
        }
        way = "ratio" if ratio else "difference"
        if predictions:
            table = fitted.predictions(**common)
        elif contrasts is not None:
            table = fitted.contrasts(contrasts, compare, adjust=adjust, compare=way, **common)  # type: ignore[arg-type]
        else:
            table = fitted.effects(_names(of), change=_change(change), compare=way, **common)  # type: ignore[arg-type]
    typer.echo(str(table))
    if out is not None:
        _write(table, out)
        typer.echo(f"\ntable written: {out}")
    if plot is not None:
        _draw(table, plot)
        typer.echo(f"{'' if out is not None else chr(10)}picture written: {plot}")


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _change(text: str | None) -> float | tuple[float, float] | None:
    from gradline.cli.options import usage

    if text is None:
        return None
    found = [_number(part) for part in text.split(",")]
    numbers = [value for value in found if value is not None and math.isfinite(value)]
    if len(numbers) != len(found) or len(numbers) > 2:
        raise usage(f"--change must be a number, or two such as 40,60, not {text!r}")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _values(given: list[str], fitted: Any) -> dict[str, Any] | None:
    """What ``at`` takes: numbers where the column holds numbers, else the levels as they are written."""
    from gradline.cli.options import usage

    found: dict[str, Any] = {}
    kinds = fitted.encoder.kinds if fitted.encoder is not None else {}
    for text in given:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not name or not values.strip():
            raise usage(f"--at takes a column and its values, such as area=40,60 or city=all, not {text!r}")
        if name in found:
            raise usage(f"--at gives column {name!r} twice: write its values with commas, {name}=...,...")
        if values.strip() == "all":
            found[name] = "all"
            continue
        parts = [part.strip() for part in values.split(",")]
        numbers = [_number(part) for part in parts]
        found[name] = numbers if kinds.get(name, "number") == "number" and None not in numbers else parts
    return found or None


def _write(table: ResultTable, out: Path) -> None:
    from gradline.base.atomic_file import open_whole

    ending = out.suffix.lower()
    with open_whole(out) as file:
        if ending == ".parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(table.to_arrow(), file)
        elif ending == ".csv":
            import pyarrow.csv

            pyarrow.csv.write_csv(table.to_arrow(), file, write_options=pyarrow.csv.WriteOptions(quoting_style="needed"))
        else:
            text = {".md": table.to_markdown, ".tex": table.to_latex, ".html": table._repr_html_}[ending]()
            file.write((text + "\n").encode())


def _draw(table: ResultTable, out: Path) -> None:
    from gradline.cli.pictures import use_screenless, write_picture
    from gradline.plot.effect_plots import effects as draw

    use_screenless()
    write_picture(draw(table), out)
