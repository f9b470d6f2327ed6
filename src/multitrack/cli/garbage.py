"""Collect garbage less often while a command lists many runs."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

#: Objects that are made between two collections.
_OBJECTS: Final = 100_000


@contextlib.contextmanager
def rarely_collected() -> Iterator[None]:
    """Let Python look for cycles once in many objects only.

    A table of 100,000 runs is made of millions of objects without cycles. To look for some among them, as Python does
    after every 700 new ones, takes a quarter of the command's time.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(_OBJECTS, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
