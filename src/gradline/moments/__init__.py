"""Sums that can be kept, merged and fitted."""
