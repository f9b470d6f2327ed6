"""Keeping the training's warning filters from stopping a lane, without changing them for the training.

``python -W error`` makes errors of warnings in the whole process, those of the trackers' SDKs on a lane's thread
among them, and ``warnings.catch_warnings`` works on the whole process as well. So one more filter goes in front of the
others, which asks for the thread: anywhere but in a lane's calls it matches nothing, and the filters are as they were.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any, Final

_thread: Final = threading.local()


class _InLane:
    """Stands where a filter has the pattern for the module that warns, of which only ``match`` is used."""

    def match(self, module: str) -> bool:  # noqa: ARG002 - as a pattern has it
        """Whether this thread is in a lane's call, while a filter makes errors of warnings."""
        # else the filters hold there as well: who wants to see the SDKs' warnings goes on seeing them
        return getattr(_thread, "depth", 0) > 0 and any(one[0] == "error" for one in warnings.filters)


# "ignore" alone leaves no trace in the modules' registries, where it would hold for the training as well.
_FILTER: Final[Any] = ("ignore", None, Warning, _InLane(), 0)


@contextlib.contextmanager
def no_errors() -> Iterator[None]:
    """Meanwhile, warnings of this thread are no errors, whatever the process's filters say."""
    if not _in_front():
        warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]
    _thread.depth = getattr(_thread, "depth", 0) + 1
    try:
        yield
    finally:
        _thread.depth -= 1


def by_filters(error: BaseException) -> bool:
    """Whether an error is a warning, which filters made one that the training put in front during a call."""
    return isinstance(error, Warning) and not _in_front()


def _in_front() -> bool:
    return bool(warnings.filters) and warnings.filters[0] is _FILTER
