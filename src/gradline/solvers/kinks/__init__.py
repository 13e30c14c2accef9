"""Losses with kinks: the exact vertex, and Newton with rows held on kinks."""
