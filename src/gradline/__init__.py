"""gradline."""
