"""From what the user gave to rows, a loss and names."""
