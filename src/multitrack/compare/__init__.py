"""Runs side by side: a row a run, a column for whatever is asked for."""

from multitrack.compare.comparison import Best, Comparison, Row, compare

__all__ = ["Best", "Comparison", "Row", "compare"]
