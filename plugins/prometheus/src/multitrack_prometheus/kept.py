"""What is known of one run's records, and its file: the next courier goes on from there.

The numbers follow from the records below ``position`` alone. So a courier that was killed before it saved them, or that
finds no file, comes to the same numbers from the journal.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.atomic import write_whole
from multitrack.journal.prepared import prepared
from multitrack_prometheus.labels import label_of_tag
from multitrack_prometheus.options import PrometheusOptions

#: The file, in the lane's directory. MessagePack, because JSON has no NaN.
FILE: Final = "values.msgpack"


class Last(msgspec.Struct):
    """The last value of a metric.

    Attributes:
        value: The value; NaN and ±inf are kept.
        step: The step of a series or the index of a list metric; ``None`` for simple metrics.
    """

    value: float
    step: float | None


class Observed(msgspec.Struct):
    """All values of a simple or list metric, as Prometheus counts them.

    Attributes:
        counts: Number of finite values up to each bound and above the one before, then that above all bounds.
        sum: Sum of the finite values.
        negative: True if one was below 0: then the sum does not only grow, and Prometheus would take each fall for a
            restart.
        not_finite: Number of NaN and ±inf.
    """

    counts: list[int]
    sum: float = 0.0
    negative: bool = False
    not_finite: int = 0

    def add(self, value: float, bounds: Sequence[float]) -> None:
        """Count one value."""
        if value - value != 0:  # only NaN and ±inf
            self.not_finite += 1
            return
        self.counts[bisect_left(bounds, value)] += 1
        self.sum += value
        if value < 0:
            self.negative = True


class Kept(msgspec.Struct):
    """What the records below ``position`` say.

    Attributes:
        options: The options under which they were taken.
        position: Number of lines of the journal.
        metrics: The last value of each metric, by kind (``series``, ``simple`` or ``list``) and name.
        observed: All values of each simple and list metric, likewise.
        tags: The values of the chosen tags, by label.
        records: Number of records, by kind.
        last_record: Time of the last record (ms); the start time if there is none.
        shown: Number of metrics that are shown, by hook.
        following: The ordinal after the last record, by kind.
        left_out: Names of metrics and tag values that are not shown as they are.
        tag_values: All values of each tag.
        mentioned: Subjects of the report's sentences.
    """

    options: PrometheusOptions
    last_record: int
    records: dict[str, int]
    position: int = 0
    metrics: dict[tuple[str, str], Last] = {}
    observed: dict[tuple[str, str], Observed] = {}
    tags: dict[str, str] = {}
    shown: dict[str, int] = {}
    following: dict[str, int] = {}
    left_out: dict[str, set[str]] = msgspec.field(default_factory=lambda: {"metrics": set(), "tag values": set()})
    tag_values: dict[str, set[str]] = {}
    mentioned: set[str] = set()


def write_kept(directory: Path, content: bytes) -> None:
    """Write the file, atomically.

    Raises:
        OSError: It cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / FILE, content)


def read_kept(directory: Path, new: Kept, lines: int) -> Kept:
    """Return what an earlier courier saved, or ``new``, with which the journal is read from its start.

    It is ``new`` if there is no whole and valid file, if the options are others, or if the journal is shorter than it
    was: a power cut takes its newest lines.
    """
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        kept = msgspec.msgpack.decode((directory / FILE).read_bytes(), type=prepared(Kept))
        if kept.position <= lines and kept.options == new.options and _fits(kept):
            return kept
    return new


def _fits(kept: Kept) -> bool:
    """Return True if what was saved makes a valid page: a journal may come from somebody else."""
    bounds = kept.options.bounds
    labels = {label_of_tag(tag) for tag in kept.options.labelled}
    return kept.tags.keys() <= labels and all(
        len(found.counts) == len(bounds.get(name, ())) + 1 for (_, name), found in kept.observed.items()
    )
