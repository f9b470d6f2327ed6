"""Summarize runs, series and lists."""
