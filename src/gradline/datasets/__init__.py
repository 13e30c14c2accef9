"""Data to learn with: points around a line or a plane, made on the spot, and six small tables of real data that come with the package.

``line`` and ``plane`` make points whose truth is known. The others are real: ``penguins``, ``engel`` and ``grunfeld`` (economics),
``doctors`` (epidemiology), ``travel`` (marketing), ``stack_loss`` (engineering). Each says where its data come from.
"""

from gradline.datasets.made import Line as Line
from gradline.datasets.made import Plane as Plane
from gradline.datasets.made import line, plane
from gradline.datasets.real import doctors, engel, grunfeld, penguins, stack_loss, travel

__all__ = ["doctors", "engel", "grunfeld", "line", "penguins", "plane", "stack_loss", "travel"]


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
