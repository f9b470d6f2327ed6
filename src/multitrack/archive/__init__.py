"""Copies of runs in a directory or an object store: ``multitrack push`` and ``multitrack pull``."""

from multitrack.archive.place import is_archive, missing_bucket
from multitrack.archive.pulling import Pulled, pull, pulled_journal
from multitrack.archive.pushing import Pushed, push

__all__ = ["Pulled", "Pushed", "is_archive", "missing_bucket", "pull", "pulled_journal", "push"]
