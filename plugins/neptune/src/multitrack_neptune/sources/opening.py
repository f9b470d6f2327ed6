"""Decide by the files of a place which of Neptune's formats it has; the clients of both kinds write to ``.neptune``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, Source, SourceRecord, SourceRun
from multitrack_neptune.sources.exported.files import find_exports
from multitrack_neptune.sources.exported.runs import ExportedRuns
from multitrack_neptune.sources.offline.directories import find_directories
from multitrack_neptune.sources.offline.runs import OfflineRuns
from multitrack_neptune.sources.scale.database import find_databases
from multitrack_neptune.sources.scale.runs import ScaleRuns


def open_place(place: Path, *, is_chosen: bool) -> Source | None:
    """Open the runs in a file or directory; None if there are none.

    Args:
        place: The file or directory.
        is_chosen: True if the user named Neptune: a place without runs is an error then.

    Raises:
        SourceError: If it cannot be opened.
    """
    found: list[Source] = []
    if find_directories(place):
        found.append(OfflineRuns(place))
    if find_databases(place):
        found.append(ScaleRuns(place))
    if find_exports(place):
        found.append(ExportedRuns(place))
    if not found and is_chosen:
        raise SourceError(
            f"{place} has no runs of Neptune: name .neptune, the directory of a run, or one of neptune-exporter"
        )
    return found[0] if len(found) == 1 else _CombinedSource(found) if found else None


class _CombinedSource:
    """The runs of several formats, one format after the other."""

    tracker = "neptune"
    notes = ()

    def __init__(self, sources: Sequence[Source]) -> None:
        self.address = sources[0].address
        self._sources = sources
        self._current = sources[0]

    def runs(self) -> Iterator[SourceRun | Gap]:
        for source in self._sources:
            self._current = source
            yield from source.runs()

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        return self._current.records(run)

    def close(self) -> None:
        for source in self._sources:
            source.close()
