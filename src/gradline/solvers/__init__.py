"""Solvers: each takes a Problem and returns a Solution."""
