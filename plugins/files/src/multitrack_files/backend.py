"""The hooks: collect rows, write them as durable parts in ``flush``, merge them in ``close_run``.

No position is kept beside the lane's. A lane that begins again delivers its records again; their rows replace those
with the same ordinals. If the tables have nothing of a run, because they were deleted or have another format,
``open_run`` asks for all records.
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
from multitrack_files.options import FilesOptions

if TYPE_CHECKING:
    from multitrack_files.recording import Recording


class FilesBackend:
    """Writes Parquet or CSV files. One object serves all runs of a process, on several threads."""

    name = "files"

    def __init__(self) -> None:
        self._open: dict[Path, Recording] = {}  # by the lane's directory: ids may repeat in another journal

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`FilesOptions`.

        Raises:
            BackendNotInstalledError: PyArrow is missing.
        """
        require_sdk("files", "pyarrow")
        return FilesOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Claim the run's name in the tables, or find it, and write the run's row."""
        from multitrack_files.recording import Recording  # noqa: PLC0415 - in the courier only

        recording = self._open[run.directory] = Recording(run)
        return Opened(recording.id, url=recording.path.as_uri(), position=0 if recording.new else None)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Collect rows of ``params``."""
        return self._open[run.directory].log(records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Collect rows of ``points``, of the kinds ``series`` and ``simple``."""
        return self._open[run.directory].log(records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Collect rows of ``points``, of the kind ``list``."""
        return self._open[run.directory].log(records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str]:
        """Collect rows of ``artifacts``."""
        return self._open[run.directory].log(records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str]:
        """Collect rows of ``lines``."""
        return self._open[run.directory].log(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str]:
        """Collect rows of ``tags``."""
        return self._open[run.directory].log(records)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Write the parent's name into the run's row."""
        self._open[run.directory].link(parent_id)
        self._forget(run)

    @hookimpl
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """Return the name of another run of the project, if the tables have it."""
        return self._open[run.directory].find(run_id)

    @hookimpl
    def flush(self, run: RunInfo) -> None:
        """Write the collected rows, durably.

        Raises:
            RetryableError: The tables were deleted; all records are delivered again.
            OSError: A file cannot be written.
        """
        self._open[run.directory].flush()

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Merge the run's parts, and write status and end time into its row."""
        self._open[run.directory].end(status, time)
        self._forget(run)

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the run's rows in the tables."""
        from multitrack_files.source import FilesSource  # noqa: PLC0415 - a training process does not need it

        return FilesSource(run)

    def _forget(self, run: RunInfo) -> None:
        """Forget a run that has ended; a parent may be linked later."""
        if self._open[run.directory].complete:
            del self._open[run.directory]
