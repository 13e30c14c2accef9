"""The objective: rows, a loss and a penalty, in one pass."""
