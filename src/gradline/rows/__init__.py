"""Sources of rows: the one seam to data."""
