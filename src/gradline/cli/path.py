"""``gradline path``: the fits of many strengths of a penalty, and which of them to take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gradline.api.path import Path as FittedPath

ROWS_SHOWN = 12


def path(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A file, folder, pattern or - (standard input): Parquet, CSV, JSON lines, Arrow. With --database, a table.",
            show_default=False,
        ),
    ] = None,
    formula: Annotated[
        str | None,
        typer.Argument(metavar="FORMULA", help="What explains what, such as 'price ~ .', . being all other columns.", show_default=False),
    ] = None,
    penalty: Annotated[
        str,
        typer.Option(metavar="NAME", help="lasso, group_lasso, scad, mcp, or elastic_net:auto,0.5, whose second number is its L1 share."),
    ] = "lasso",
    loss: Annotated[str, typer.Option(metavar="NAME[:NUMBERS]", help="Such as huber:1.35, logistic, poisson.")] = "squared",
    loss_from: Annotated[
        str | None, typer.Option(metavar="FILE.py:NAME", help="A loss of your own: function NAME(y, prediction) in FILE.py.")
    ] = None,
    hold_out: Annotated[
        str,
        typer.Option(metavar="folds|blocks|leave-one-out", help="Held out: random parts, blocks of consecutive rows, or each row."),
    ] = "folds",
    folds: Annotated[int, typer.Option(metavar="NUMBER", help="Parts of the rows, each held out once.")] = 10,
    groups: Annotated[str | None, typer.Option(metavar="COLUMN", help="Rows of one value are held out together.")] = None,
    strengths: Annotated[int, typer.Option(metavar="NUMBER", help="How many strengths.")] = 100,
    choose: Annotated[
        str, typer.Option(metavar="best|one-error", help="The strength of least loss held out, or the largest within one error of it.")
    ] = "one-error",
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Another gives other folds.")] = 0,
    weights: Annotated[str | None, typer.Option(metavar="COLUMN", help="Precision weights.")] = None,
    frequencies: Annotated[str | None, typer.Option(metavar="COLUMN", help="How often each row counts.")] = None,
    offset: Annotated[str | None, typer.Option(metavar="COLUMN", help="Added to the linear predictor.")] = None,
    missing: Annotated[str, typer.Option(metavar="drop|error", help="Rows with a missing value: left out, or refused.")] = "drop",
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Fit to the rows that meet a condition only.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A SELECT that gives the rows; DATA is called data in it.")] = None,
    database: Annotated[str | None, typer.Option(metavar="FILE|URI", help="A DuckDB or SQLite file, or an address.")] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Workers that read Parquet files: a Dask scheduler's tcp://host:8786, or local:4 for four here."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png|FILE.svg|FILE.pdf", help="Draw the path here.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Save the chosen model here, for gradline predict.")] = None,
    path_out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Save the whole path here, for gl.load.")] = None,
) -> None:
    """Fit many strengths of a penalty, hold rows out to compare them, and print the model that was chosen.

    \b
    Examples:
      gradline path flats.csv "price ~ ."
      gradline path flats.csv "price ~ . - id" --plot path.png --out model.json
      gradline path flats.csv "sold ~ area + C(city)" --loss logistic --penalty group_lasso
      gradline path flats.csv "price ~ . - street" --groups street --path-out path.json
      gradline path "sales/*.parquet" "log(price) ~ ." --penalty elastic_net:auto,0.5 --choose best
    """
    from gradline.cli.clusters import opened_cluster
    from gradline.cli.options import check_out, input_files, read_data_and_formula, read_loss, read_path_penalty, require_drawing, usage
    from gradline.cli.wording import noting_warnings

    data, formula = read_data_and_formula("path", data, formula, query, missing)
    if choose not in ("best", "one-error"):
        raise usage(f"--choose must be best or one-error, not {choose!r}")
    if hold_out not in ("folds", "blocks", "leave-one-out"):
        raise usage(f"--hold-out must be folds, blocks or leave-one-out, not {hold_out!r}")
    if groups is not None and hold_out != "folds":
        raise usage(f"--groups goes with --hold-out folds, not {hold_out}")
    for option, value, least in (("--folds", folds, 2), ("--strengths", strengths, 1)):
        if value < least:
            raise usage(f"{option} must be at least {least}, not {value}")
    chosen_penalty = read_path_penalty(penalty)
    chosen_loss = read_loss(loss, loss_from)
    inputs = input_files(data, database)
    if out is not None:
        check_out(out, "--out", inputs, (".json",))
    if path_out is not None:
        check_out(path_out, "--path-out", inputs, (".json",))
        if out is not None and out.absolute() == path_out.absolute():
            raise usage("--out and --path-out are the same file; give two names")
    if plot is not None:
        check_out(plot, "--plot", inputs, (".png", ".svg", ".pdf"))
        require_drawing("--plot needs")
    from gradline.api.path import path as fit_path

    with noting_warnings(), opened_cluster(cluster) as workers:
        found = fit_path(
            formula,
            data,
            penalty=chosen_penalty,
            loss=chosen_loss,
            strengths=strengths,
            choose=hold_out,  # type: ignore[arg-type]
            folds=folds,
            groups=groups,
            seed=seed,
            weights=weights,
            frequencies=frequencies,
            offset=offset,
            missing=missing,
            where=where,
            query=query,
            database=database,
            cluster=workers,
        )
        place = found.best_place if choose == "best" else found.within_one_error_place
        _show(found, place)
        if out is not None:
            found.fit(float(found.strengths[place])).save(out)
            typer.echo(f"\nmodel saved: {out}")
        if path_out is not None:
            found.save(path_out)
            typer.echo(f"{'' if out else chr(10)}path saved: {path_out}")
        if plot is not None:
            from gradline.cli.pictures import use_screenless, write_picture

            use_screenless()
            write_picture(found.plot(), plot)
            typer.echo(f"{'' if out or path_out else chr(10)}picture written: {plot}")


def shown_places(count: int, marked: Sequence[int]) -> list[int]:
    """Some dozen places of a path: both ends, the marked ones, and others evenly between."""
    import numpy as np

    even = np.linspace(0, count - 1, min(count, ROWS_SHOWN)).round().astype(int)
    places = set(map(int, even)) | set(marked)
    for place in marked:
        # A marked place stands for the even one beside it.
        near = min((p for p in even if 0 < p < count - 1 and p not in marked), key=lambda p: abs(p - place), default=None)
        if near is not None and place not in even:
            places.discard(int(near))
    return sorted(places)


def with_error(value: float, error: float) -> str:
    """A number and its error, to the error's second digit."""
    import math

    if not (math.isfinite(error) and 1e-6 <= error < 1e12):
        return f"{value:.6g} ± {error:.2g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f}"


def _show(found: FittedPath, place: int) -> None:
    """The path as a table, and the coefficients of the chosen strength that are not zero."""
    from gradline.cli.console import Printer, number, plural, short

    printer, held = Printer(), found.held_out
    assert held is not None
    best, within = found.best_place, found.within_one_error_place
    fit = found.fit(float(found.strengths[place]))
    printer.line(
        f"Path of {', '.join(fit.target_names)}: {plural(fit.rows_used, 'row')}, {plural(len(found.strengths), 'strength')}, {held.how}\n"
    )
    rows = []
    for i in shown_places(len(found.strengths), (best, within)):
        marks = [word for where, word in ((best, "best"), (within, "within one error")) if where == i]
        columns = (short(found.losses[i]), with_error(float(held.mean[i]), float(held.error[i])))
        rows.append((short(found.strengths[i]), str(found.nonzero[i]), *columns, ", ".join(marks)))
    printer.table(("strength", "slopes", "loss", "held out", ""), rows)
    chosen = "best" if place == best else "within one error"
    printer.line(f"\nCoefficients at strength {short(found.strengths[place])} ({chosen})\n")
    several = len(fit.predictor_names) > 1
    coefficients = fit.solution.coefficients
    kept = [
        ((f"{predictor}: " if several else "") + name, number(float(coefficients[i, j])))
        for j, predictor in enumerate(fit.predictor_names)
        for i, name in enumerate(fit.names)
        if coefficients[i, j] != 0
    ]
    printer.table(("", "coefficient"), kept)
    zero = int(found.coefficients[place].size - len(kept))
    if zero:
        printer.line(f"\n{plural(zero, 'other coefficient')} {'is' if zero == 1 else 'are'} zero.")
