"""The losses that ship, one family a module."""
