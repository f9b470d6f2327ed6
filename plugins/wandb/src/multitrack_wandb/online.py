"""Read the runs of a project at a W&B server."""

from __future__ import annotations

import contextlib
import heapq
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack.records import ArtifactRef, Metric
from multitrack_wandb.address import ProjectAddress
from multitrack_wandb.history import History
from multitrack_wandb.online_run import OnlineRun
from multitrack_wandb.public_api import PublicApi
from multitrack_wandb.run_records import first_records, is_ours, run_of

#: Runs in a request, without config and summary, which are asked for run by run: of runs that come with them, some
#: releases lose W&B's own part of the config, such as the start time.
RUNS_A_PAGE: Final = 100


class WandbProject:
    """The runs of a project at a server.

    Args:
        place: The project, or a run in it.

    Attributes:
        tracker: ``wandb``.
        address: The project's address.
        notes: None.

    Raises:
        SourceError: If the server cannot be read, or there are no credentials for it.
    """

    tracker = "wandb"
    notes = ()

    def __init__(self, place: ProjectAddress) -> None:
        self.address = str(place)
        self._place = place
        self._api = PublicApi(place.base_url)
        self._current: tuple[str, OnlineRun] | None = None

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs, oldest first.

        Raises:
            SourceError: If the project cannot be read.
        """
        for native in self._natives():
            try:
                run = OnlineRun(self._api, native)
            except SourceError as error:
                yield Gap(f"{error}; it was not imported")
                continue
            finally:
                _remove_directories(Path(getattr(native, "dir", None) or ""))
            self._current = native.id, run
            yield run_of(run.facts)

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield params and tags at the run's start, then rows and lines by time, then the rest.

        Raises:
            SourceError: If the server stops to answer. What was yielded counts; the next import goes on.
        """
        assert self._current is not None  # noqa: S101 - a run was read
        assert self._current[0] == run.id  # noqa: S101
        online = self._current[1]
        facts, start = online.facts, run.created
        yield from first_records(facts, start)
        history = History(is_ours=is_ours(facts))
        history.files = online.files
        last = start
        for record in heapq.merge(_points(online, history, start), online.lines(start), key=lambda each: each.time):
            last = record.time
            yield record
        yield from history.summary(facts.summary, run.ended or last)
        yield from history.gaps()
        yield from online.gaps()
        yield from online.references(start)

    def close(self) -> None:
        """Do nothing: the SDK's helper process ends with this one."""

    def _natives(self) -> Iterator[Any]:
        place, api = self._place, self._api
        if place.run is not None:
            try:
                yield api.ask(f"{self.address} cannot be read", api.api.run, f"{place.path}/{place.run}")
            except SourceError:
                _remove_directories(Path(tempfile.gettempdir(), place.entity, place.project, place.run))
                raise
            return
        yield from api.pages(
            f"{self.address} cannot be read", api.api.runs, place.path,
            order="+created_at", per_page=RUNS_A_PAGE, include_sweeps=False, lazy=True,
        )  # fmt: skip


def _points(online: OnlineRun, history: History, start: int) -> Iterator[Metric | ArtifactRef]:
    """The points of a run, and references to its media."""
    time = start
    for row, step in online.rows():
        for record in history.records(row, step, time):
            time = record.time
            yield record


def _remove_directories(place: Path) -> None:
    """Remove the empty directory, in the directory of temporary files, that the SDK makes for each run it lists."""
    with contextlib.suppress(OSError):  # another one has files in it
        for each in (place, place.parent, place.parent.parent) if place.is_absolute() else ():
            each.rmdir()
