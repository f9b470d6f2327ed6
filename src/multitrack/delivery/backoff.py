"""Set the pace of a lane: the size of its batches, and the backoff after errors."""

from __future__ import annotations

import random
import time
from typing import Final

#: Maximum backoff between two tries, in seconds.
LONGEST_PAUSE: Final = 15.0
#: Maximum ``after`` of a ``RetryableError`` that is respected, in seconds.
LONGEST_AWAY: Final = 3600.0
#: Number of records in a lane's first batch, and the maximum and minimum. The position is saved after each batch, so a
#: slow tracker gets small ones: otherwise a lane would seem stalled, and an interruption would redeliver much.
FIRST: Final = 100
LONGEST: Final = 2000
SHORTEST: Final = 10
#: Seconds: a faster batch doubles the size of the next, one slower than ``_SLOW`` halves it.
_QUICK: Final = 1.0
_SLOW: Final = 5.0
#: Bytes of journal allowed per record of a batch, so that batches of long lists hold fewer records.
_BYTES_A_RECORD: Final = 512
#: A separate generator: with ``delivery = "thread"`` the global random state is the training's and must not change.
_jitter: Final = random.Random()  # noqa: S311 - no secret


class Pace:
    """The batch size and backoff of one lane.

    Args:
        interval: Seconds between checks of a journal that is read to its end.

    Attributes:
        interval: As given.
        due: Monotonic time of the next step, unless :meth:`hurry` is called.
        records: Maximum number of records in the next batch.
        tries: Number of errors since the last success.
    """

    def __init__(self, interval: float = 1.0) -> None:
        self.interval = interval
        self.due = 0.0
        self.records = FIRST
        self.tries = 0
        self._hurried = False
        self._away = 0.0  # monotonic time until which the tracker asked to wait

    @property
    def bytes(self) -> int:
        """Maximum bytes of journal in the next batch."""
        return self.records * _BYTES_A_RECORD

    def ready(self, now: float) -> bool:
        """Return True if a step is due; a hurry counts once and does not change ``due``."""
        hurried, self._hurried = self._hurried, False
        return now >= (self._away if hurried else self.due)

    def took(self, seconds: float) -> None:
        """Adjust the batch size after a batch that took ``seconds``."""
        if seconds < _QUICK:
            self.records = min(LONGEST, self.records * 2)
        elif seconds > _SLOW:
            self.records = max(SHORTEST, self.records // 2)

    def rest(self, seconds: float) -> None:
        """Schedule the next step in ``seconds``."""
        self.due = time.monotonic() + seconds

    def look_again(self) -> None:
        """Schedule the next step after the interval, unless a later time is already set."""
        if self.due <= time.monotonic():
            self.rest(self.interval)

    def failed(self, after: float | None) -> None:
        """Schedule a retry with exponential backoff, and jitter so that lanes do not retry all at once.

        Args:
            after: Seconds that the tracker asked to wait, if any.
        """
        longest = min(LONGEST_PAUSE, 0.5 * 2 ** min(self.tries, 10))
        pause = _jitter.uniform(longest / 2, longest)
        self._away = time.monotonic() + min(after or 0.0, LONGEST_AWAY)
        self.due = max(time.monotonic() + pause, self._away)
        self.tries += 1

    def hurry(self) -> None:
        """Make one step due at once, unless the tracker asked to wait."""
        self._hurried = True
