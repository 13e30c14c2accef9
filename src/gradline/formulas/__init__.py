"""Formulas: reading them, learning what they need from the data, and encoding rows."""
