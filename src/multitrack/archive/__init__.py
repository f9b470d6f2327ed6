"""Copies of runs in a directory or an object store: ``multitrack push`` and ``multitrack pull``."""

from multitrack.archive.place import Archive, is_archive
from multitrack.archive.pulling import Pulled, pull, pulled_journal
from multitrack.archive.pushing import Pushed, push

__all__ = ["Archive", "Pulled", "Pushed", "is_archive", "pull", "pulled_journal", "push"]
