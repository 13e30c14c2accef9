"""The losses that ship with gradline (``gl.losses.squared``, ...) and ``gl.losses.custom`` for your own."""

from gradline.losses.catalogue import squared

__all__ = ["squared"]
