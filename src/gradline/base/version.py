"""The version of the package, as files and pages state it."""

__version__ = "0.1.0"
