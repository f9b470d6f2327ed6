"""The protocol of a source of runs: a tracker's store, a directory of its files, or a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags
from multitrack.sources.run import SourceRun


class Gap(msgspec.Struct, frozen=True):
    """Something of a run that cannot be read, or has no exact form in a journal.

    Attributes:
        reason: A sentence that names the thing: ``metric loss: step 1.5 is no whole number, kept as step 1``.
        is_empty: True if a run has nothing in it, so that nothing of it is lost.
    """

    reason: str
    is_empty: bool = False


class EmbeddedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that stands inside of one of the tracker's, such as an image in a log.

    An import writes it into the run's directory, and records a reference to it.

    Attributes:
        time: Milliseconds since the epoch.
        name: Name of the reference.
        content: The content.
        suffix: End of the file's name, such as ``.png``; empty if unknown.
        kind: Kind of the reference: ``file``, ``figure``.
    """

    time: int
    name: str
    content: bytes
    suffix: str = ""
    kind: str = "file"


#: What a journal can hold of a run, and gaps.
PlainRecord = Params | Metric | ListMetric | ArtifactRef | Lines | Tags | Gap
#: What a source yields for a run: data records with the tracker's times and without ordinals, files in files, and gaps.
#: A record whose time nobody knows has the time 0, and gets that of the run's start.
SourceRecord = PlainRecord | EmbeddedFile


class Source(Protocol):
    """A source that is open for reading; used by one thread.

    Attributes:
        tracker: The name of the tracker or format: ``mlflow``, ``csv``.
        address: Where it is, without credentials.
    """

    tracker: str
    address: str

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about all that is read from here, such as the roles of columns."""
        ...

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield all runs, deleted ones included, in bounded memory; a gap for each that cannot be read."""
        ...

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield the records of a run, in bounded memory.

        The order is the same at every call, and later records come after those that are there now: an import counts
        what it has, to go on where it ended.
        """
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
