"""Linear algebra that knows nothing of models."""
