"""Join the texts of a log, which come in pieces, to lines."""

from __future__ import annotations

from collections.abc import Iterator

from multitrack.records import Lines


class LineJoiner:
    """Makes lines of pieces of text.

    Args:
        time: Time of the run's start (ms).
        is_ours: True if multitrack wrote the lines, which are whole then, and keep their carriage returns. In others,
            a carriage return overwrites what is before it.
    """

    def __init__(self, time: int, *, is_ours: bool) -> None:
        self._begun = ""
        self._time = time
        self._is_ours = is_ours

    def add(self, text: str, time: int) -> Iterator[Lines]:
        """Yield the lines that are complete with this piece."""
        *whole, self._begun = (self._begun + text).split("\n")
        self._time = time
        if whole:
            yield Lines(time=time, lines=[self._shown(line) for line in whole], stream="stdout")

    def rest(self) -> Iterator[Lines]:
        """Yield the last line, if it was not ended."""
        if self._begun:
            yield Lines(time=self._time, lines=[self._shown(self._begun)], stream="stdout")

    def _shown(self, line: str) -> str:
        return line if self._is_ours else line.removesuffix("\r").rpartition("\r")[2]
