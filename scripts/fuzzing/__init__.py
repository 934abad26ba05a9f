"""Damaged files for every reader, and what a reader may answer to them."""
