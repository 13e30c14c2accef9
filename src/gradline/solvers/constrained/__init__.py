"""Solvers that keep to constraints."""
