"""Times as milliseconds since the epoch, and as Neptune's formats have them."""

from __future__ import annotations

import datetime
from typing import Any, Final

_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)


def milliseconds(moment: Any) -> int | None:
    """Milliseconds since the epoch of a time, or of its ISO 8601 text; None if it is none."""
    if isinstance(moment, str):
        try:
            moment = datetime.datetime.fromisoformat(moment)
        except ValueError:
            return None
    if not isinstance(moment, datetime.datetime):
        return None
    since: datetime.timedelta = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)) - _EPOCH
    return since // datetime.timedelta(milliseconds=1)


def moment(milliseconds: Any) -> datetime.datetime | None:
    """The time of a number of milliseconds since the epoch; None if it is none."""
    if not isinstance(milliseconds, (int, float)):
        return None
    try:
        return _EPOCH + datetime.timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError):
        return None
