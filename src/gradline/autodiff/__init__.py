"""Derivatives of a user's loss: one module a framework, behind one protocol."""
