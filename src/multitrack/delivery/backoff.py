"""How fast a lane goes: the length of its stretches, and the pauses after a trouble."""

from __future__ import annotations

import random
import time
from typing import Final

#: The longest pause between two tries, in seconds.
LONGEST_PAUSE: Final = 15.0
#: The longest time that a tracker may ask to be left alone, in seconds.
LONGEST_AWAY: Final = 3600.0
#: Records of a lane's first stretch, of its longest and of its shortest. A position is saved after each, so a slow
#: tracker gets short ones: nobody waits for a lane that stands still for long, and what is cut off there comes again.
FIRST: Final = 100
LONGEST: Final = 2000
SHORTEST: Final = 10
#: A stretch that took less than the one makes the next longer, more than the other shorter; in seconds.
_QUICK: Final = 1.0
_SLOW: Final = 5.0
#: Bytes of journal for each record of a stretch: long lists count more than points.
_BYTES_A_RECORD: Final = 512
#: Its own generator: with ``delivery = "thread"`` this is the training process, whose random numbers are the user's.
_jitter: Final = random.Random()  # noqa: S311 - no secret


class Pace:
    """One lane's pace.

    Args:
        interval: Seconds between looks at a journal that is read to its end.

    Attributes:
        interval: As given.
        due: Monotonic time before which there is nothing to do, unless somebody is in a hurry.
        records: How many records the next stretch may hold.
        tries: Troubles since the last success.
    """

    def __init__(self, interval: float = 1.0) -> None:
        self.interval = interval
        self.due = 0.0
        self.records = FIRST
        self.tries = 0
        self._hurried = False
        self._away = 0.0  # monotonic time until which the tracker asked to be left alone

    @property
    def bytes(self) -> int:
        """How many bytes of journal the next stretch may hold."""
        return self.records * _BYTES_A_RECORD

    def ready(self, now: float) -> bool:
        """Whether it is time for a look; a hurry is for one look, and leaves the timetable as it is."""
        hurried, self._hurried = self._hurried, False
        return now >= (self._away if hurried else self.due)

    def took(self, seconds: float) -> None:
        """A stretch took so long."""
        if seconds < _QUICK:
            self.records = min(LONGEST, self.records * 2)
        elif seconds > _SLOW:
            self.records = max(SHORTEST, self.records // 2)

    def rest(self, seconds: float) -> None:
        """Look again after so many seconds."""
        self.due = time.monotonic() + seconds

    def look_again(self) -> None:
        """Everything is read for now: look again after the interval, unless a time was set."""
        if self.due <= time.monotonic():
            self.rest(self.interval)

    def failed(self, after: float | None) -> None:
        """Wait twice as long as the last time, with jitter so that lanes do not come all at once.

        Args:
            after: Seconds that the tracker asked to be left alone.
        """
        longest = min(LONGEST_PAUSE, 0.5 * 2 ** min(self.tries, 10))
        pause = _jitter.uniform(longest / 2, longest)
        self._away = time.monotonic() + min(after or 0.0, LONGEST_AWAY)
        self.due = max(time.monotonic() + pause, self._away)
        self.tries += 1

    def hurry(self) -> None:
        """Look once without waiting, unless the tracker asked to be left alone."""
        self._hurried = True
