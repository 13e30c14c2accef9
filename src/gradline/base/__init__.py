"""What every package stands on: array types, warnings, progress, files written whole."""
