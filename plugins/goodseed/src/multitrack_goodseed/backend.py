"""The hooks: write each run into a file of its own, where goodseed looks for it.

The file has the position behind the records that it holds, in the same transaction. So a lane continues exactly where
the file ends.
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
from multitrack_goodseed.options import GoodseedOptions

if TYPE_CHECKING:
    from multitrack_goodseed.recording import Recording


class GoodseedBackend:
    """Delivers to goodseed. One object serves all runs of a process, on several threads."""

    name = "goodseed"

    def __init__(self) -> None:
        self._open: dict[Path, Recording] = {}  # by the lane's directory: ids may repeat in another journal

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`GoodseedOptions`.

        Raises:
            BackendNotInstalledError: goodseed is missing.
        """
        require_sdk("goodseed", "goodseed")
        return GoodseedOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Find the run by its id, or create it, and return the ordinal at which its file ends."""
        from multitrack_goodseed.errors import translated  # noqa: PLC0415 - for the courier; not needed in training
        from multitrack_goodseed.recording import Recording  # noqa: PLC0415 - as above
        from multitrack_goodseed.ways import writer_of  # noqa: PLC0415 - as above

        with translated(Path(run.options.directory)):
            writer = writer_of(run)
            recording = self._open[run.directory] = Recording(run, writer)
        return Opened(writer.id, position=recording.position)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Write params as single values."""
        return self._open[run.directory].log_params(records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Write points, and simple metrics as single values."""
        return self._open[run.directory].log_metric(records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Write a point per number."""
        return self._open[run.directory].log_list_metric(records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> None:
        """Write references as single values."""
        self._open[run.directory].log_artifact_ref(records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Write a text per line under ``logs/``."""
        self._open[run.directory].log_lines(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        """Write tags as single values under ``tags/``."""
        self._open[run.directory].set_tags(records)

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> int:
        """Commit everything; it survives the death of any process, and a power cut.

        Raises:
            RetryableError: Another process holds the file, the disk is full, or the file was deleted.
            DeniedError: The file cannot be written.
        """
        from multitrack_goodseed.errors import translated  # noqa: PLC0415 - for the courier; not needed in training

        with translated(Path(run.options.directory)):
            return self._open[run.directory].flush(position)

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> Sequence[str]:
        """Write status and end time.

        Raises:
            RetryableError, DeniedError: As in ``flush``.
        """
        from multitrack_goodseed.errors import translated  # noqa: PLC0415 - for the courier; not needed in training

        with translated(Path(run.options.directory)):
            stand_ins = self._open[run.directory].end(status, time)
        del self._open[run.directory]
        return stand_ins

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the run's file."""
        from multitrack_goodseed.source import GoodseedSource  # noqa: PLC0415 - a training process does not need it

        return GoodseedSource(run)
