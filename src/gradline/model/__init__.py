"""The record of a fit, and what is computed from it."""
