"""``gradline fit``: a model from a table, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gradline.api.result import Fit
    from gradline.smoothing.terms import FittedCurve


def fit(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A file, folder, pattern or - (standard input): Parquet, CSV, JSON lines, Arrow. With --database, a table.",
            show_default=False,
        ),
    ] = None,
    formula: Annotated[
        str | None, typer.Argument(metavar="FORMULA", help="What explains what, such as 'price ~ area + C(city)'.", show_default=False)
    ] = None,
    loss: Annotated[str, typer.Option(metavar="NAME[:NUMBERS]", help="Such as huber:1.35, quantile:0.9, poisson.")] = "squared",
    loss_from: Annotated[
        str | None, typer.Option(metavar="FILE.py:NAME", help="A loss of your own: function NAME(y, prediction) in FILE.py.")
    ] = None,
    penalty: Annotated[str | None, typer.Option(metavar="NAME:STRENGTH", help="On the slopes, such as ridge:0.1.")] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="What coefficients must satisfy, such as 'x1 >= 0, x2 + x3 = 1'. May be given several times."),
    ] = None,
    solver: Annotated[
        str,
        typer.Option(metavar="NAME", help="auto, which suits the loss; gradient-descent, nesterov, adam, newton, l-bfgs and others."),
    ] = "auto",
    learning_rate: Annotated[str | None, typer.Option(metavar="NUMBER|auto", help="Of a solver that trains step by step.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="NUMBER", help="How many of them.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="NUMBER", help="In place of steps: how often it goes over all rows.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="ROWS", help="Of each step, drawn at random; all rows unless given.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Of the drawing: the same one draws the same rows again.")] = None,
    weights: Annotated[str | None, typer.Option(metavar="COLUMN", help="Precision weights.")] = None,
    frequencies: Annotated[str | None, typer.Option(metavar="COLUMN", help="How often each row counts.")] = None,
    offset: Annotated[str | None, typer.Option(metavar="COLUMN", help="Added to the linear predictor.")] = None,
    covariance: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            show_default=False,
            help="Standard errors: default (the loss's own), classical, HC0 to HC3, cluster, newey-west, or none.",
        ),
    ] = "default",
    groups: Annotated[
        str | None, typer.Option(metavar="COLUMN[,COLUMN]", help="Whose values tell the clusters of --covariance cluster.")
    ] = None,
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
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Save the model here, for gradline predict.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the model for a program, not for people.")] = False,
) -> None:
    """Fit a linear model to a table of any size, and print its summary.

    \b
    Examples:
      gradline fit flats.csv "price ~ area + rooms"
      gradline fit flats.csv "price ~ log(area) + C(city)" --out model.json
      gradline fit flats.csv "price ~ area" --covariance cluster --groups city
      gradline fit "sales/*.parquet" "sold ~ price + C(shop)" --loss poisson
      gradline fit flats.csv "price ~ area" --loss huber:1.35 --where "area < 500"
      gradline fit flats.csv "price ~ area" --loss quantile:0.9 --json
      gradline fit line.csv "y ~ x" --solver gradient-descent --learning-rate 0.01
      gradline fit line.csv "y ~ x" --solver adam --learning-rate 0.1 --epochs 20 --batch-size 32
      gradline fit flats.csv "price ~ area + rooms" --constraint "area >= 0, rooms >= 0"
      gradline fit flats --database city.duckdb "price ~ area"
      gradline fit "y ~ x" --database city.duckdb --query "SELECT * FROM flats"
      gradline fit flats.csv "price ~ area" --loss-from my_losses.py:late
      gradline fit "sales/*.parquet" "sold ~ price + C(shop)" --loss poisson --cluster local:4

    A formula: + adds a column, a:b is an interaction, a * b both and their interaction, C(g) a category, log(x), poly(x, 2), bs(x, df=5),
    s(x) a curve, - 1 leaves the intercept out, `a name` quotes one that holds spaces. Then: gradline predict model.json new.csv
    """
    from gradline.cli.clusters import opened_cluster
    from gradline.cli.options import check_out, input_files, read_data_and_formula, read_loss, read_penalty, read_solver, usage
    from gradline.cli.wording import noting_warnings

    data, formula = read_data_and_formula("fit", data, formula, query, missing)
    chosen_solver = read_solver(solver, learning_rate, steps=steps, epochs=epochs, batch_size=batch_size, seed=seed)
    chosen_penalty = read_penalty(penalty)
    chosen_loss = read_loss(loss, loss_from)
    if out is not None:
        check_out(out, "--out", input_files(data, database), (".json",))
    from gradline.api.fitting import fit as fit_model

    if groups is not None and covariance != "cluster":
        raise usage("--groups goes with --covariance cluster")
    labels = None if groups is None else [name.strip() for name in groups.split(",") if name.strip()]
    arguments: dict[str, Any] = {"covariance": covariance, "groups": labels, "query": query, "database": database}
    arguments |= {"weights": weights, "frequencies": frequencies, "offset": offset, "missing": missing, "where": where}
    with noting_warnings(), opened_cluster(cluster) as workers:
        found = fit_model(
            formula,
            data,
            loss=chosen_loss,
            penalty=chosen_penalty,
            constraints=constraint or None,
            solver=chosen_solver,
            cluster=workers,
            **arguments,
        )
    if out is not None:
        try:
            found.save(out)
        except OSError:
            if not json:
                found.summary().show()  # what has been fitted is not lost with the place to keep it
            raise
    if json:
        import json as writer

        typer.echo(writer.dumps(as_json(found, formula, out), allow_nan=False))
        return
    found.summary().show()
    if out is not None:
        typer.echo(f"\nmodel saved: {out}")


def _errors(fit: Fit, shape: tuple[int, ...]) -> dict[str, Any]:
    """Standard errors and what goes with them, (P, k) each; nothing where the fit has none."""
    import numpy as np

    if fit.inference is None or not fit.inference.has_intervals:
        return {}
    lower, upper = fit.interval()
    found = {"p_value": fit.p_values, "lower": lower, "upper": upper}
    if fit.inference.covariance is not None:
        found = {"standard_error": fit.standard_errors, "statistic": fit.statistics} | found
    return {name: np.reshape(values, shape) for name, values in found.items()}


def _curve(curve: FittedCurve) -> dict[str, Any]:
    import math
    from dataclasses import asdict

    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(curve).items()
        if name not in ("start", "stop", "predictor")
    }


def as_json(fit: Fit, formula: str, out: Path | None) -> dict[str, Any]:
    """What a program wants to know; a coefficient that was left out is null."""
    import math

    import numpy as np

    def number(value: float) -> float | None:
        return float(value) if math.isfinite(value) else None

    shape = fit.solution.coefficients.shape
    coefficients = np.reshape(fit.coefficients, shape)
    errors = _errors(fit, shape)
    mask = None if fit.encoder is None or len(fit.encoder.predictors) == 1 else fit.encoder.mask
    return {
        "formula": formula,
        "loss": fit.loss_name,
        "loss_parameters": dict(fit.loss_function.parameters),
        "targets": list(fit.target_names),
        "coefficients": [
            {"predictor": predictor, "name": name, "coefficient": number(coefficients[i, j])}
            | {what: number(values[i, j]) for what, values in errors.items()}
            for j, predictor in enumerate(fit.predictor_names)
            for i, name in enumerate(fit.names)
            if mask is None or mask[i, j]
        ],
        **({"curves": [_curve(curve) for curve in fit.curves]} if fit.curves else {}),
        "covariance": None if fit.inference is None or fit.inference.covariance is None else fit.inference.covariance.description,
        "objective": number(fit.loss),
        "rows_used": fit.rows_used,
        "rows_dropped": fit.rows_dropped,
        "constraints": {text: number(multiplier) for text, multiplier in fit.multipliers.items()},
        "active_constraints": list(fit.active_constraints),
        "solver": fit.solver,
        "converged": fit.certificate.converged,
        "reason": fit.certificate.reason,
        "passes": fit.solution.passes,
        "seconds": fit.seconds,
        "model": None if out is None else str(out),
    }
