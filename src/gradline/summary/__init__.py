"""What a fit says of itself: a summary for people, and a table of its coefficients for programs."""

from gradline.summary.coefficient_table import coefficient_table
from gradline.summary.content import summarise
from gradline.summary.parts import Block, Fact, Row
from gradline.summary.render import Summary

__all__ = ["Block", "Fact", "Row", "Summary", "coefficient_table", "summarise"]
