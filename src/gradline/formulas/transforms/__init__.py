"""Functions of a formula that learn from the whole column."""
