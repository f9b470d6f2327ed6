"""Compact old records in a courier, on a thread of its own, now and then and with half of its time at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from multitrack._text import error_text
from multitrack.compaction.runs import compact_runs
from multitrack.errors import JournalError
from multitrack.journal.layout import run_directories


class Compactor:
    """Compacts the runs of a journal as long as the courier lives; what it was at when that ends is left as it was.

    Args:
        journal: The journal's directory.
        seconds: Seconds between looks.
        notice: Called with a sentence for the user, once per problem.
    """

    def __init__(self, journal: Path, seconds: float, notice: Callable[[str], None]) -> None:
        self._journal = journal
        self._seconds = seconds
        self._notice = notice
        self._said: set[str] = set()
        self._ending = threading.Event()
        threading.Thread(target=self._run, name="multitrack-compact", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._ending.set()

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            try:
                directories = list(run_directories(self._journal))
            except JournalError as error:
                self._say(str(error))
                continue
            for directory in directories:
                try:
                    list(compact_runs([directory], pause=time.sleep))
                except Exception as error:  # noqa: BLE001 - reported, and tried again; other runs do not wait for it
                    self._say(str(error) if isinstance(error, JournalError) else error_text(error))

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._notice(f"compacting {self._journal}: {text}")
