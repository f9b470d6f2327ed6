"""String series as log lines: of a console, and of any other field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from multitrack.hookspecs import Gap

#: Fields with what a process wrote. The 1.x client has a field for each process, and keeps the pieces of each line
#: apart; neptune-scale keeps whole lines.
_PIECES: Final = re.compile(r"monitoring/(?:[^/]+/)?(stdout|stderr)")
_LINES: Final = re.compile(r"runtime/(?:[^/]+/)?(stdout|stderr)")

Line = tuple[int, str, str]
"""Time in milliseconds, text and stream of a line."""


class Texts:
    """The entries of one run's string series."""

    def __init__(self) -> None:
        self._begun: dict[str, Line] = {}
        self._with_steps: dict[str, None] = {}

    def add(self, path: str, text: str, time: int, *, has_step: bool) -> Iterator[Line]:
        """Yield the lines that are complete with this entry.

        Args:
            path: The series.
            text: The entry.
            time: Its time (ms).
            has_step: True if the program gave it a step, which a line has not.
        """
        if match := _PIECES.fullmatch(path):
            begun = self._begun.get(path)
            *lines, rest = ((begun[1] if begun else "") + text).split("\n")
            self._begun[path] = time, rest, match[1]
            for line in lines:
                yield time, _last_state(line), match[1]
        elif match := _LINES.fullmatch(path):
            for line in text.removesuffix("\n").split("\n"):
                yield time, _last_state(line), match[1]
        else:
            if has_step:
                self._with_steps[path] = None
            for line in text.removesuffix("\n").split("\n"):
                yield time, f"{path}: {line}", "log"

    def rest(self) -> Iterator[Line]:
        """Yield the last line of each console, if it was not ended."""
        for time, text, stream in self._begun.values():
            if text:
                yield time, _last_state(text), stream
        self._begun.clear()

    def gaps(self) -> Iterator[Gap]:
        """Yield a gap for each line that is not complete, and each series whose entries have steps."""
        for path, (_, text, _) in self._begun.items():
            if text:
                yield Gap(f"{path}: its last line is not complete, and was left out")
        for path in self._with_steps:
            yield Gap(f"{path}: its texts are log lines, which have no steps")


def _last_state(line: str) -> str:
    """Of what was overwritten on a terminal, such as a progress bar, the last state."""
    return line.removesuffix("\r").rpartition("\r")[2]
