"""Categories of very many levels, eliminated instead of solved for."""
