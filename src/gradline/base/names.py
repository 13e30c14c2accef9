"""Names that several packages must agree on."""

from __future__ import annotations

INTERCEPT = "Intercept"
"""What the intercept is called among the coefficients."""
