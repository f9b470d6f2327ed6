"""The form in which records go to Trackio, whichever way it is written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol


class Figure(NamedTuple):
    """A picture of a row.

    Attributes:
        key: Its key in the row.
        source: The file to copy.
        caption: The text below it.
    """

    key: str
    source: Path
    caption: str


#: Stands in the ids of rows that are writes of simple metrics, behind the dot.
WRITE: Final = "w"


class LogRow(NamedTuple):
    """One row of Trackio: values at a step.

    Attributes:
        id: The row's id, which follows from the journal: a row that is delivered again has the same one.
        time: Milliseconds since the epoch.
        step: The step.
        values: Numbers and texts by key.
        figure: A picture, shown beside the values.
    """

    id: str
    time: int
    step: int
    values: dict[str, Any]
    figure: Figure | None = None


class Held(NamedTuple):
    """The part of a run that Trackio has when it is opened.

    Attributes:
        config: Its config; empty for a new run.
        complete: True if every row that was delivered is there, under its id.
    """

    config: dict[str, Any]
    complete: bool


class RowWriter(Protocol):
    """A way to write one run to Trackio. Not thread-safe.

    Attributes:
        id: The run's id in Trackio.
        stand_ins: Messages about facts that this way cannot keep.
    """

    id: str
    stand_ins: list[str]

    def open(self) -> Held:
        """Find the run, and give it its current name."""

    def write(self, rows: list[LogRow], config: dict[str, Any] | None) -> None:
        """Write rows, each once however often it is given, and replace the config unless it is ``None``."""

    def close(self) -> None:
        """Finish writing; the run may be opened again."""
