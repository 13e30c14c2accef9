"""What a model says of its columns: effects, predictions at chosen values, contrasts, terms, intervals that need refits, models side by
side."""
