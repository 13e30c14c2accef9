"""Solvers that need gradients only."""
