"""The hooks: each lane's recording, and the promise that a run is in Neptune's directory whole and once.

Neptune's offline format cannot be continued after a kill: its last operations may be torn, and nothing tells which
records they came from. So until it has ended, a run is built aside from the journal's start, again by every courier
that opens it (``Opened(position=0)``, and ``flush`` answers 0), and moved in place by ``close_run``. A finished run
that is resumed is built whole once more, and then replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from multitrack.hookspecs import Opened, RunInfo
from multitrack.journal.atomic import write_json
from multitrack.markers import hookimpl
from multitrack.plugins import require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags
from multitrack_neptune.options import NeptuneOptions

if TYPE_CHECKING:
    from multitrack_neptune.fields import Recording


class Published(msgspec.Struct, frozen=True):
    """``published.json`` in the lane's directory: where this run was put, or was about to be."""

    directories: list[str] = []


class NeptuneBackend:
    """Writes Neptune's offline format; one object serves all runs of a process, from several threads."""

    name = "neptune"

    def __init__(self) -> None:
        self._open: dict[Path, Recording] = {}  # by the lane's directory: ids may repeat in another journal

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`NeptuneOptions`.

        Raises:
            BackendNotInstalledError: Neptune's SDK is missing.
        """
        require_sdk("neptune", "neptune")
        return NeptuneOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Begin to build the run, from the journal's start; its parent is shown at once, by its run id."""
        from multitrack_neptune.fields import Recording  # noqa: PLC0415 - for the courier; training does not need it

        recording = self._open[run.directory] = Recording(run)
        return Opened(recording.id, url=recording.target.as_uri(), position=0)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Params under ``parameters/``."""
        return self._open[run.directory].log_params(records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Points under ``metrics/``, simple metrics under ``summary/``."""
        return self._open[run.directory].log_metric(records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Values under ``lists/``."""
        return self._open[run.directory].log_list_metric(records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> None:
        """Tracked references under ``artifacts/``."""
        self._open[run.directory].log_artifact_ref(records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str]:
        """Lines under ``logs/``."""
        return self._open[run.directory].log_lines(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str]:
        """Tags under ``tags/`` and in ``sys/tags``."""
        return self._open[run.directory].set_tags(records)

    @hookimpl
    def flush(self, run: RunInfo) -> int:
        """Hand everything to the kernel; what is not whole is built again, so nothing counts until the end.

        Raises:
            BackendError: Something could not be written. The lane stops here, and ``multitrack sync`` begins
                anew: set aside record by record, the same would be missing in the tracker for good.
        """
        self._open[run.directory].flush()
        return 0

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Put the whole run in place, and take an earlier one of it away.

        Raises:
            BackendError: Something could not be written; the lane stops as in ``flush``.
            OSError: It cannot be put there; likewise.
        """
        import shutil  # noqa: PLC0415 - for the courier; the training process does not need it

        recording = self._open.pop(run.directory)
        note = run.directory / "published.json"
        earlier = _published(note, recording)
        # Noted before it is there: whatever is killed from here on, the next one to close the run takes it away.
        write_json(note, Published([*earlier, str(recording.target)]))
        recording.end(status, time)
        for directory in earlier:
            # only what bears this run's Neptune id: a journal may have been sent by somebody else
            if Path(directory).name.startswith(f"run__{recording.id}__") and Path(directory).exists():
                shutil.rmtree(directory)
        write_json(note, Published([str(recording.target)]))


def _published(note: Path, recording: Recording) -> list[str]:
    """The directories that hold this run, or part of it; where the note is damaged, all that bear its Neptune id."""
    try:
        return msgspec.json.decode(note.read_bytes(), type=Published).directories
    except FileNotFoundError:
        return []
    except ValueError:
        return [str(path) for path in recording.target.parent.glob(f"run__{recording.id}__*")]
