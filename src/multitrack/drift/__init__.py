"""Drift between two tables of inputs, found by Evidently: recorded inputs of runs, or files."""

from multitrack.drift.comparison import ColumnDrift, Drift, compare
from multitrack.drift.recording import Recorded, record
from multitrack.drift.sources import Source

__all__ = ["ColumnDrift", "Drift", "Recorded", "Source", "compare", "record"]
