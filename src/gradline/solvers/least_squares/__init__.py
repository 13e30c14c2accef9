"""Squared loss, solved exactly."""
