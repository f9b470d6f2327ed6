"""The hooks: encode each record once, and write a batch in the order of the journal.

The hooks of one batch are called by kind. Their events are collected, sorted by ordinal, and written by ``flush``, so
that the file does not depend on where a batch was cut.
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
from multitrack_tensorboard.options import TensorboardOptions

if TYPE_CHECKING:
    from multitrack_tensorboard.recording import Recording


class TensorboardBackend:
    """Writes TensorBoard's event files. One object serves all runs of a process, on several threads."""

    name = "tensorboard"

    def __init__(self) -> None:
        self._open: dict[Path, Recording] = {}  # by the lane's directory: ids may repeat in another journal

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`TensorboardOptions`.

        Raises:
            BackendNotInstalledError: The package ``tensorboard`` is missing.
        """
        require_sdk("tensorboard", "tensorboard")
        return TensorboardOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Find or make the run's directory; records after the noted position are delivered again."""
        from multitrack_tensorboard.recording import Recording  # noqa: PLC0415 - for the courier; training needs none

        recording = self._open[run.directory] = Recording(run)
        files = recording.files
        return Opened(files.name, url=files.path.absolute().as_uri(), position=files.position)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> list[str]:
        """Write params to the HParams and Text tabs."""
        return self._open[run.directory].log_params(records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> list[str]:
        """Write points of series under their names, and simple metrics under ``summary/``."""
        return self._open[run.directory].log_metric(records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> list[str]:
        """Write values under the list's name, with their index as the step."""
        return self._open[run.directory].log_list_metric(records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> list[str]:
        """Write references as texts, and figures as images if ``upload`` says so."""
        return self._open[run.directory].log_artifact_ref(records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Write lines as texts."""
        self._open[run.directory].log_lines(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        """Write tags as texts; the last one counts."""
        self._open[run.directory].set_tags(records)

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> None:
        """Write the batch to disk, and note its position.

        Raises:
            OSError: A file cannot be written. After a full disk the lane repeats the batch.
        """
        self._open[run.directory].files.flush(position)

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Write status and end time.

        Raises:
            OSError: The file cannot be written.
        """
        self._open[run.directory].files.end(status, time)
        del self._open[run.directory]

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the run's event files."""
        from multitrack_tensorboard.source import TensorboardSource  # noqa: PLC0415 - as above

        return TensorboardSource(Path(run.options.directory) / str(run.backend_id), "")

    @hookimpl
    def open_source(self, address: str, tracker: str | None) -> Source | None:
        """Open the runs of a log directory, or with ``#NAME`` behind it the one in its directory ``NAME``."""
        if tracker not in (None, self.name) or not address.startswith("/"):
            return None
        from multitrack_tensorboard.source import TensorboardSource, find_runs  # noqa: PLC0415 - for imports alone

        logdir, _, name = address.rpartition("#")
        if tracker is not None and name and not Path(address).exists():
            return TensorboardSource(Path(logdir or "/"), name)
        return TensorboardSource(Path(address)) if tracker is not None or find_runs(Path(address)) else None
