"""Splines of a formula: their knots and their basis."""
