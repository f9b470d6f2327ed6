"""Decide which files of a growing table to merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: Files are not merged beyond this many bytes.
LARGEST: Final = 64 * 1024**2
#: Files that are merged at once while the table grows; fewer are not worth the work.
FEWEST: Final = 8


def to_merge(sizes: Sequence[int], *, closing: bool) -> int:
    """Return how many of the last files to merge into one; 0 for none.

    While the table grows, a file is merged only if it is no larger than all files behind it together. So a row is
    written again at most about log₂ n times, and the number of files stays about log₂ n.

    Args:
        sizes: Size of each file in bytes, in order.
        closing: True if no more rows follow.
    """
    total = count = 0
    for size in reversed(sizes):
        if total + size > LARGEST or (count and not closing and size > total):
            break
        total += size
        count += 1
    return count if count >= (2 if closing else FEWEST) else 0
