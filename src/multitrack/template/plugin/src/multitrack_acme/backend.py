"""The hooks. The courier calls them, never the training."""

import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from multitrack.hookspecs import Opened, RunInfo
from multitrack.markers import hookimpl
from multitrack.records import AnyRecord, ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags
from multitrack_acme import rows, store
from multitrack_acme.options import AcmeOptions
from multitrack_acme.rows import Row


class AcmeBackend:
    """Delivers to acme. One object serves all runs of a process, on several threads."""

    name = "acme"

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`AcmeOptions`. The training calls this, so the module imports no SDK."""
        return AcmeOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Create the run, or find it again. A run of which acme has nothing is delivered from its start."""
        acme_id, training = _id_of(run), run.context
        facts: dict[str, str | int | None] = {
            "project": run.project,
            "name": run.name,
            "started": run.created,
            "status": "running",
            "ended": None,
        }
        if training is not None:  # the process that recorded the run; this one is the courier
            facts |= {"user": training.user, "host": training.host, "program": training.program}
        held = store.create_run(run.options.file, acme_id, run.id, facts)
        return Opened(acme_id, url=Path(run.options.file).as_uri(), position=None if held else 0)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> None:
        """Write params."""
        _write(run, records, rows.params)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        """Write points of series and simple metrics."""
        _write(run, records, rows.metric)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> None:
        """Write numbers of list metrics."""
        _write(run, records, rows.list_metric)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> None:
        """Write references."""
        _write(run, records, rows.artifact_ref)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Write lines."""
        _write(run, records, rows.lines)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        """Write tags."""
        _write(run, records, rows.tags)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Show the run as a child of another one of acme."""
        store.update_run(run.options.file, _id_of(run), {"parent": parent_id})

    @hookimpl
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """Return acme's id of another run of the project, or ``None``."""
        return store.find_run(run.options.file, run.project, run_id)

    @hookimpl
    def flush(self, position: int) -> int:
        """Return the position below which acme holds every record durably: all of them, as each call has committed."""
        return position

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Write the status and the time of the end."""
        store.update_run(run.options.file, _id_of(run), {"status": status, "ended": time})


def _write(run: RunInfo, records: Sequence[AnyRecord], rows_of: Callable[..., list[Row]]) -> None:
    """Write what records become; rows that acme has are replaced."""
    store.write_rows(run.options.file, _id_of(run), [row for record in records for row in rows_of(record)])


def _id_of(run: RunInfo) -> str:
    """Return acme's id of a run.

    Another journal may have a run of the same id, so this one is new. It is noted before the run is created, in the
    lane's directory: whoever opens the run again, after a crash as well, finds it.
    """
    note = run.directory / "acme-id"
    if not note.exists():
        draft = note.with_suffix(".draft")
        with draft.open("w") as file:
            file.write(f"{run.id}-{uuid.uuid4().hex[:8]}")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(note)
    return note.read_text()
