"""The hooks: build each run aside, and move it whole, and only once, into Neptune's directory.

Neptune's offline format cannot be continued after a kill: its last operations may be incomplete, and do not tell which
records they came from. So an unfinished run is built in a separate directory, from the journal's start, again by every
courier that opens it (``Opened(position=0)``, and ``flush`` returns 0). ``close_run`` moves it into place. A finished
run that is resumed is built again as a whole, and then replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from multitrack.errors import SourceError
from multitrack.hookspecs import Opened, RunInfo, Source
from multitrack.journal.atomic import write_json
from multitrack.journal.prepared import prepared
from multitrack.markers import hookimpl
from multitrack.plugins import require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags
from multitrack_neptune.options import NeptuneOptions

if TYPE_CHECKING:
    from multitrack_neptune.fields import Recording


class Published(msgspec.Struct, frozen=True):
    """Content of ``published.json`` in the lane's directory: where this run was put, or was about to be put."""

    directories: list[str] = []


class NeptuneBackend:
    """Writes Neptune's offline format. One object serves all runs of a process, on several threads."""

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
        """Start to build the run from the journal's start. Its parent's run id is written at once."""
        from multitrack_neptune.fields import Recording  # noqa: PLC0415 - for the courier; training does not need it

        recording = self._open[run.directory] = Recording(run)
        return Opened(recording.id, url=recording.target.as_uri(), position=0)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Write params under ``parameters/``."""
        return self._open[run.directory].log_params(records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Write points under ``metrics/``, and simple metrics under ``summary/``."""
        return self._open[run.directory].log_metric(records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Write values under ``lists/``."""
        return self._open[run.directory].log_list_metric(records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> None:
        """Write tracked references under ``artifacts/``."""
        self._open[run.directory].log_artifact_ref(records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str]:
        """Write lines under ``logs/``."""
        return self._open[run.directory].log_lines(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str]:
        """Write tags under ``tags/`` and in ``sys/tags``."""
        return self._open[run.directory].set_tags(records)

    @hookimpl
    def flush(self, run: RunInfo) -> int:
        """Write everything to the files, and return position 0: an unfinished run is always built again.

        Raises:
            BackendError: A write failed. The lane stops, and ``multitrack sync`` starts from the beginning. Records
                that were set aside one by one instead would be missing in the tracker for good.
        """
        self._open[run.directory].flush()
        return 0

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Move the whole run into place, and remove its earlier version.

        Raises:
            BackendError: A write failed; the lane stops as in ``flush``.
            OSError: The run cannot be moved; the lane stops, too.
        """
        import shutil  # noqa: PLC0415 - for the courier; the training process does not need it

        recording = self._open.pop(run.directory)
        note = run.directory / "published.json"
        earlier = _published(note, recording.target.parent, recording.id)
        # Noted before the move: after a kill from here on, the next close of the run removes this directory.
        write_json(note, Published([*earlier, str(recording.target)]))
        recording.end(status, time)
        for directory in earlier:
            # only directories with this run's Neptune id: the journal may come from an untrusted source
            if Path(directory).name.startswith(f"run__{recording.id}__") and Path(directory).exists():
                shutil.rmtree(directory)
        write_json(note, Published([str(recording.target)]))

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the run's directory.

        Raises:
            SourceError: A finished run is moved into place when it is whole; this one is not there.
        """
        from multitrack_neptune.sources.offline.runs import OfflineRuns  # noqa: PLC0415 - for ``multitrack verify`` alone

        offline = Path(run.options.directory) / "offline"
        noted = _published(run.directory / "published.json", offline, str(run.backend_id))
        # The last one is the latest; the journal may come from an untrusted source.
        places = [path for path in map(Path, noted) if path.name.startswith(f"run__{run.backend_id}__")]
        place = next((path for path in reversed(places) if path.is_dir()), None)
        if place is None:
            raise SourceError(f"{offline} has no run {run.backend_id}: it appears there when it has ended, as a whole")
        return OfflineRuns(place)

    @hookimpl
    def open_source(self, address: str, tracker: str | None) -> Source | None:
        """Open the runs in a directory or file of one of Neptune's formats."""
        if tracker not in (None, self.name) or not address.startswith("/"):
            return None
        from multitrack_neptune.sources.opening import open_place  # noqa: PLC0415 - for imports alone

        return open_place(Path(address), is_chosen=tracker is not None)


def _published(note: Path, offline: Path, container: str) -> list[str]:
    """Return the directories that hold a run or a part of it. If the note is damaged, all with its Neptune id."""
    try:
        return msgspec.json.decode(note.read_bytes(), type=prepared(Published)).directories
    except FileNotFoundError:
        return []
    except ValueError:
        return [str(path) for path in offline.glob(f"run__{container}__*")]
