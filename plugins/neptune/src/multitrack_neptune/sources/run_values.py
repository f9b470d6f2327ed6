"""The values of one run's series, collected in any order and yielded by time, whatever format they are from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from multitrack._text import clean_text
from multitrack.hookspecs import Gap, SourceRecord
from multitrack_neptune.sources.steps import Steps
from multitrack_neptune.sources.texts import Texts
from multitrack_neptune.sources.time_order import TimeOrder


class RunValues:
    """Points, simple metrics, lines and images."""

    def __init__(self) -> None:
        self._order = TimeOrder()
        self._steps = Steps()
        self._texts = Texts()
        self._left_out: Counter[tuple[str, str]] = Counter()

    def number(self, path: str, step: float | Decimal | None, time: int, value: float) -> None:
        """Add a point; without a step it is the next one."""
        self._order.point(path, time, self._steps.whole(path, step), value)

    def text(self, path: str, step: float | Decimal | None, time: int, value: str) -> None:
        """Add an entry of a string series."""
        for line in self._texts.add(path, clean_text(value), time, has_step=step is not None):
            self._order.line(*line)

    def image(self, path: str, step: float | Decimal | None, time: int, content: bytes) -> None:
        """Add an image of a series; without a step it is the next one."""
        self._order.image(f"{path}/{self._steps.whole(path, step)}", time, content)

    def simple(self, path: str, time: int, value: float) -> None:
        """Add a value of a number that changes."""
        self._order.simple(path, time, value)

    def leave_out(self, path: str, what: str, count: int = 1) -> None:
        """Note values that a journal cannot hold."""
        self._left_out[path, what] += count

    def end(self) -> None:
        """Add the last lines of consoles, which nothing follows."""
        for line in self._texts.rest():
            self._order.line(*line)

    def records(self) -> Iterator[SourceRecord]:
        """Yield everything by time, then what was lost."""
        yield from self._order.records()
        yield from self._steps.gaps()
        yield from self._texts.gaps()
        for (path, what), count in self._left_out.items():
            if count:
                yield Gap(f"{path}: {what} left out ({count})")

    def close(self) -> None:
        """Remove the temporary database."""
        self._order.close()
