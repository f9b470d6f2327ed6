"""Runs side by side: a row a run, a column for whatever is asked for."""

from multitrack.compare.comparison import Comparison, compare
from multitrack.compare.rows import Best, Row

__all__ = ["Best", "Comparison", "Row", "compare"]
