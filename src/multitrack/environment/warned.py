"""Keep the training's warning filters from stopping a lane, without changing them for the training.

``python -W error`` turns warnings into errors in the whole process, including those of trackers' SDKs on a lane's
thread, and ``warnings.catch_warnings`` affects the whole process as well. So another filter is put in front of the
others. It checks the thread: outside of a lane's calls it matches nothing, and the other filters apply unchanged.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any, Final

_thread: Final = threading.local()


class _InLane:
    """Replaces a warning filter's module pattern, of which only ``match`` is called."""

    def match(self, module: str) -> bool:  # noqa: ARG002 - the signature of a pattern
        """Return True if this thread is in a lane's call, and some filter turns warnings into errors."""
        # without an "error" filter the others apply here as well, so that SDKs' warnings stay visible
        return getattr(_thread, "depth", 0) > 0 and any(one[0] == "error" for one in warnings.filters)


# Only "ignore" leaves no trace in the modules' registries, which would affect the training as well.
_FILTER: Final[Any] = ("ignore", None, Warning, _InLane(), 0)


@contextlib.contextmanager
def no_errors() -> Iterator[None]:
    """Within the block, warnings of this thread are never errors, whatever the process's filters are."""
    if not _in_front():
        warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]
    _thread.depth = getattr(_thread, "depth", 0) + 1
    try:
        yield
    finally:
        _thread.depth -= 1


def by_filters(error: BaseException) -> bool:
    """Return True if an error is a warning turned into an error by a filter that the training added during a call."""
    return isinstance(error, Warning) and not _in_front()


def _in_front() -> bool:
    return bool(warnings.filters) and warnings.filters[0] is _FILTER
