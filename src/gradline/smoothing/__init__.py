"""Curves of a formula: the strengths of their penalties, chosen from sums over rows, and what is said of each curve."""
