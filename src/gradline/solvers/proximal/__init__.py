"""Solvers for penalties with kinks."""
