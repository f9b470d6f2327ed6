"""Count the calls of another SDK that a journal cannot hold, and warn about each kind once; nothing is raised."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Final

from multitrack._text import error_text
from multitrack.errors import RunClosedError
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

#: Most reasons that are told apart for one call: texts of exceptions may hold values.
_REASONS: Final = 10


class Omissions:
    """What a run does not have of the calls that were made.

    The first omission of a kind is recorded as a mistake of the run, with a warning. The number of the others is
    recorded as one more mistake at the run's end: a loop may make a million of them.

    Args:
        run: The run.
        sdk: Name of the SDK whose calls are taken.

    Attributes:
        counts: Number of omissions by kind and reason.
    """

    def __init__(self, run: Run, sdk: str) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._run = run
        self._sdk = sdk
        self._said: set[str] = set()
        run.at_end.add(self.close)

    def leave_out(self, call: str, reason: str) -> None:
        """Note a call, or a part of it, that is not recorded.

        Args:
            call: The call, such as ``pop``: the kind.
            reason: The reason, without the values of this call, in a sentence.
        """
        if (call, reason) not in self.counts and sum(known == call for known, _ in self.counts) >= _REASONS:
            reason = "other reasons"
        self.counts[call, reason] += 1
        if self.counts[call, reason] == 1:
            if call in self._said:  # a run warns once for each call, and this is another kind
                log.warning("multitrack: run %s: %s %s was set aside: %s", self._run.id, self._sdk, call, reason)
            self._said.add(call)
            self._run.set_aside(f"{self._sdk} {call}", _OmissionError(reason))

    def say_once(self, call: str, message: str) -> None:
        """Log a difference that loses nothing, once."""
        if message not in self._said:
            self._said.add(message)
            log.warning("multitrack: run %s: %s %s: %s", self._run.id, self._sdk, call, message)

    @contextlib.contextmanager
    def attempt(self, call: str) -> Iterator[None]:
        """Note an exception of the block as an omission; that of an ended run propagates."""
        try:
            yield
        except RunClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - an object of the caller's may raise anything
            self.leave_out(call, error_text(error))

    def close(self) -> None:
        """Record the number of omissions after the first one of each kind."""
        for (call, reason), count in self.counts.items():
            if count > 1:
                self._run.set_aside(f"{self._sdk} {call}", _OmissionError(f"{count - 1} more times: {reason}"))
        self.counts.clear()


class _OmissionError(Exception):
    """A reason; its name is a part of no message."""

    def __str__(self) -> str:
        return str(self.args[0])


_OmissionError.__name__ = "left out"
