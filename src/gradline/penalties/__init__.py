"""Penalties on the coefficients: ``mean loss + penalty``, the intercept never penalised, strengths in the user's units."""

from __future__ import annotations

from gradline.penalties.ridge import AutomaticRidge, ChosenRidge, Penalty, Ridge, ridge

__all__ = ["AutomaticRidge", "ChosenRidge", "Penalty", "Ridge", "ridge"]
