"""Constraints on the coefficients: what a problem may hold, and what no solver keeps to yet."""
