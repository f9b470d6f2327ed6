"""List the metadata directories of the distributions in a directory of ``sys.path``.

The start of a run asks for them several times for each backend, and a directory of hundreds of packages takes a
millisecond each time. So lists are kept until the directory changes.
"""

from __future__ import annotations

import os
import time
from typing import Final

#: Nanoseconds: a directory changed this lately may change again without another modification time.
_SETTLED: Final = 2_000_000_000
#: By device and inode: the modification time in nanoseconds, and the names.
_kept: Final[dict[tuple[int, int], tuple[int, tuple[str, ...]]]] = {}


def metadata_names(directory: str) -> tuple[str, ...]:
    """Return the names of a directory that end like those of metadata; none for an archive or a missing directory.

    Args:
        directory: An entry of ``sys.path``; empty for the current directory.
    """
    try:
        stat = os.stat(directory or os.curdir)  # noqa: PTH116 - a start has no time for a Path
        place, changed = (stat.st_dev, stat.st_ino), stat.st_mtime_ns
        known = _kept.get(place)
        if known is not None and known[0] == changed:
            return known[1]
        listed = os.listdir(directory or os.curdir)  # noqa: PTH208 - names alone
    except OSError:
        return ()
    names = tuple(name for name in listed if name.endswith((".dist-info", ".egg-info")))
    if time.time_ns() - changed > _SETTLED:
        _kept[place] = changed, names
    return names
