"""Tables of any size as rows: sources, cleaning, chunks."""
