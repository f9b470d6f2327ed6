"""Runs, series and lists brought down to a few numbers."""
