"""What listings and graphs ask of runs that are over, kept beside them by the courier, so that nobody waits for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from multitrack.errors import JournalError
from multitrack.journal.manifest import read_manifest
from multitrack.journal.segments import is_live
from multitrack.summaries.cache import read, recall, stamp_of
from multitrack.summaries.curves import LONG, curves_of

#: Bytes of a journal that is read in well below a second.
_SMALL: Final = 1 << 25


def keep_all(directories: Iterable[Path], seconds: float) -> None:
    """Keep what can be kept of runs that are over; those that are long, or left when time is up, are left to readers.

    Args:
        directories: The runs'.
        seconds: How long it may take.
    """
    deadline = time.monotonic() + seconds
    for directory in directories:
        if time.monotonic() > deadline:
            return
        with contextlib.suppress(OSError, JournalError):
            stamp = stamp_of(directory)
            size = sum(size for size, _ in stamp)
            if size >= _SMALL or is_live(directory):
                continue
            if recall(directory, stamp) is None:
                read(directory, stamp, read_manifest(directory))
            if size >= LONG:
                curves_of(directory)
