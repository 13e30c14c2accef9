"""``gradline studio``: a page where one watches and steers the learning."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import typer


def studio(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE",
            help="A file, folder or pattern: Parquet, CSV, JSON lines, Arrow. With --database, a table. Without it, points to learn on.",
            show_default=False,
        ),
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE.py:NAME", help="A loss of your own: function NAME(y, prediction) in FILE.py. May be given several times."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Where to listen, on this machine alone.", show_default="8765, or the next free one"),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")] = False,
    where: Annotated[str | None, typer.Option(metavar="SQL", help="Work on the rows that meet a condition only.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A SELECT that gives the rows; TABLE is called data in it.")] = None,
    database: Annotated[str | None, typer.Option(metavar="FILE|URI", help="A DuckDB or SQLite file, or an address.")] = None,
) -> None:
    """Open the studio in a browser: watch a line being learned, or build a model of a table by clicking.

    The address that is printed is good for one visit, and the server answers this machine alone. Stop it with Ctrl-C.

    \b
    Examples:
      gradline studio
      gradline studio flats.csv
      gradline studio "sales/*.parquet" --where "year = 2026"
      gradline studio flats.csv --loss my_losses.py:late
      gradline studio flats --database city.duckdb --no-browser
    """
    from gradline.cli.options import read_own_loss
    from gradline.studio.serving import Server, open_port, require_server

    require_server()
    from gradline.studio.access import lasting_secret
    from gradline.studio.answers import Studio
    from gradline.studio.page_file import page
    from gradline.studio.spec import DataPlace, FileLoss
    from gradline.tables.table import open_table

    page()
    losses = []
    for text in loss or []:
        read_own_loss(text, "--loss")  # what is wrong with a file is said before anything opens
        file, _, name = text.rpartition(":")
        losses.append(FileLoss(file, name, _reader(text)))
    table, reopen = None, None
    if data is not None or query is not None:
        reopen = partial(open_table, data, query=query, database=database, where=where)
        table = reopen()
    elif database is not None or where is not None:
        from gradline.cli.options import usage

        raise usage("--where and --database go with a table, as in: gradline studio flats --database city.duckdb")
    listening = open_port(port)
    server = Server(Studio(table, DataPlace(data, database, query, where), losses, reopen=reopen), listening, lasting_secret())
    address = server.access.new_address()
    typer.echo(f"gradline studio: {address}\nThe address is good for one visit. Ctrl-C stops the studio.")
    if not no_browser:
        import webbrowser

        webbrowser.open(address)
    _without_screen()
    with suppress(KeyboardInterrupt):  # which is how a studio ends
        server.run()


def _reader(text: str) -> Any:
    from gradline.cli.options import read_own_loss

    return lambda: read_own_loss(text, "--loss")


def _without_screen() -> None:
    """Reports are drawn in a thread, where a window could not be."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is not None:
        from gradline.cli.pictures import use_screenless

        use_screenless()
