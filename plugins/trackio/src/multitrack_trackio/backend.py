"""The hooks: write each run to Trackio's database, with ids that make every write idempotent.

A row's id follows from its record's ordinal, and Trackio ignores a row whose id it has. The config is replaced as a
whole. So a lane continues at its saved position, and what was written beyond it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from multitrack.hookspecs import Opened, RunInfo, Source
from multitrack.markers import hookimpl
from multitrack.plugins import require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags
from multitrack_trackio.options import ENVIRONMENT, TrackioOptions

if TYPE_CHECKING:
    from multitrack_trackio.recording import Recording


class TrackioBackend:
    """Delivers to Trackio. One object serves all runs of a process, on several threads."""

    name = "trackio"

    def __init__(self) -> None:
        self._open: dict[Path, Recording] = {}  # by the lane's directory: ids may repeat in another journal

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`TrackioOptions`.

        Raises:
            BackendNotInstalledError: Trackio is missing.
        """
        require_sdk("trackio", "trackio")
        return TrackioOptions

    @hookimpl
    def environment_variables(self) -> Sequence[str]:
        """See :data:`~multitrack_trackio.options.ENVIRONMENT`."""
        return ENVIRONMENT

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Find the run by its id, or create it. If Trackio lacks rows of it, it is delivered from the start."""
        from multitrack_trackio.errors import translated  # noqa: PLC0415 - for the courier; not needed in training
        from multitrack_trackio.recording import Recording  # noqa: PLC0415 - as above
        from multitrack_trackio.ways import writer_of  # noqa: PLC0415 - as above

        with translated(Path(run.options.directory)):
            writer = writer_of(run)
            recording = self._open[run.directory] = Recording(run, writer)
        return Opened(writer.id, position=None if recording.complete else 0)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Write params into the config."""
        return self._open[run.directory].log_params(records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Write a row per call, or per value for simple metrics."""
        return self._open[run.directory].log_metric(records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Write a row per number."""
        return self._open[run.directory].log_list_metric(records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str]:
        """Write references into the config, and show figures if ``upload`` names them."""
        return self._open[run.directory].log_artifact_ref(records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Write a row per line under ``logs/``."""
        self._open[run.directory].log_lines(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        """Write tags into the config under ``tags/``."""
        self._open[run.directory].set_tags(records)

    @hookimpl
    def flush(self, run: RunInfo) -> None:
        """Commit everything; it survives the death of any process.

        Raises:
            RetryableError: Another process holds the database, or the disk is full.
            DeniedError: The database cannot be written.
        """
        from multitrack_trackio.errors import translated  # noqa: PLC0415 - for the courier; not needed in training

        with translated(Path(run.options.directory)):
            self._open[run.directory].flush()

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> Sequence[str]:
        """Write status and end time.

        Raises:
            RetryableError, DeniedError: As in ``flush``.
        """
        from multitrack_trackio.errors import translated  # noqa: PLC0415 - for the courier; not needed in training

        with translated(Path(run.options.directory)):
            stand_ins = self._open[run.directory].end(status, time)
        del self._open[run.directory]
        return stand_ins

    @hookimpl
    def open_source(self, address: str, tracker: str | None) -> Source | None:
        """Open the projects of a directory, or a project's file."""
        if tracker not in (None, self.name) or not address.startswith("/"):
            return None
        from multitrack_trackio.source import TrackioSource, find_files  # noqa: PLC0415 - for imports alone

        return TrackioSource(Path(address)) if tracker is not None or find_files(Path(address)) else None

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the run in Trackio's directory."""
        from multitrack_trackio.source import TrackioSource  # noqa: PLC0415 - as above

        return TrackioSource(Path(run.options.directory), run.backend_id)
