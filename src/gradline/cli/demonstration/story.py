"""The order in which ``gradline demo`` tells its story."""

from __future__ import annotations

from gradline.cli.console import Printer
from gradline.cli.demonstration import frameworks
from gradline.cli.demonstration.settings import DemoSettings


def tell(settings: DemoSettings) -> None:
    """Run the whole demonstration."""
    printer = Printer()
    # Before anything takes time: a folder that cannot be made should not cost a fit.
    settings.output_folder.mkdir(parents=True, exist_ok=True)
    title = frameworks.TITLES[settings.backend]
    with printer.waiting(f"Loading {title} (this takes a few seconds) ..."):
        functions = frameworks.load(settings.backend)
    from gradline.cli.demonstration import lesson, line, penguins, planes
    from gradline.cli.demonstration.pictures import Album

    album = Album(settings.output_folder, printer)
    with printer.noting_warnings():
        points = (line if settings.one_line else planes).run(settings, functions, printer, album)
        lesson.run(points, functions, printer)
        penguins.run(functions, printer, album)
    printer.heading("Pictures")
    printer.line(f"In the folder {settings.output_folder.resolve()}:")
    album.list()
    printer.space()
    printer.say(
        "Next: docs/tutorial.md does all of this in Python, a few lines at a time. To change what happens here, see gradline demo --help."
    )
