"""The ``gradline`` command.

One module for each command; each imports what it needs when it runs, so that ``gradline --help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gradline import __version__
from gradline.cli import demo, effects, fit, path, plot, predict, report, studio
from gradline.cli.errors import run

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}, pretty_exceptions_enable=False
)


@app.callback(invoke_without_command=True)
def gradline(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="On an error, show the full traceback.")] = False,
) -> None:
    """Fit linear models whose loss you write as a plain function.

    New here? Run: gradline demo
    """
    context.obj = {"debug": debug}
    if version:
        typer.echo(f"gradline {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(short_help="Learn a line from noisy points, with pictures.")(demo.demo)
app.command(short_help="Fit a linear model to a table.")(fit.fit)
app.command(short_help="Fit many strengths of a penalty, and choose one.")(path.path)
app.command(short_help="Predict with a saved model.")(predict.predict)
app.command(short_help="What a saved model's columns do to its prediction.")(effects.effects)
app.command(short_help="Draw a saved model over a table.")(plot.plot)
app.command(short_help="Write a page about a saved model.")(report.report)
app.command(short_help="Watch and steer the learning in a browser.")(studio.studio)


def main() -> None:
    """Run the command and exit: 0 when done, 1 for data or a model that cannot be used, 2 for wrong usage."""
    run(app)
