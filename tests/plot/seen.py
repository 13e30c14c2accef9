"""What a picture shows, read back from its Axes."""

import numpy as np


def drawn(ax, label):
    """The points (t, 2) of the line of that label."""
    found = [line for line in ax.lines if line.get_label() == label]
    assert len(found) == 1, f"{label!r} is not among {[line.get_label() for line in ax.lines]}"
    return np.column_stack([np.asarray(found[0].get_xdata(), dtype=float), np.asarray(found[0].get_ydata(), dtype=float)])


def cloud(ax):
    """All points (n, 2) scattered on the axes."""
    return np.concatenate([np.asarray(collection.get_offsets()) for collection in ax.collections if collection.get_label() != "_band"])


def words(ax):
    """Everything written on the axes."""
    legend = ax.get_legend()
    keys = [text.get_text() for text in legend.get_texts()] if legend else []
    around = [ax.get_title("left"), ax.get_title("right"), ax.get_xlabel(), ax.get_ylabel()]
    return " | ".join([*(text.get_text() for text in ax.texts), *keys, *around])


def boxes(ax):
    """The words beside points as (words, [left, bottom, right, top] in pixels), once the figure is drawn."""
    ax.figure.canvas.draw()
    return [(text.get_text(), np.asarray(text.get_window_extent().extents)) for text in ax.texts if text.get_text()]


def pixels(ax, points):
    """Points (t, 2) in data units as pixels."""
    return ax.transData.transform(np.atleast_2d(points))


def holds(box, points):
    """How many of the points (t, 2) lie in a box."""
    return int(((points > box[:2]) & (points < box[2:])).all(axis=1).sum())
