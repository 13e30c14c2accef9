"""Newton's method for smooth losses."""
