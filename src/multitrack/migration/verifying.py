"""Read a run back from a tracker, and compare it with the journal."""

from __future__ import annotations

from functools import partial

import msgspec

from multitrack._text import error_text
from multitrack.config import load_config
from multitrack.delivery.lane_state import state_of
from multitrack.delivery.loading import BackendSource, run_info
from multitrack.delivery.trust import Trust
from multitrack.errors import SourceError
from multitrack.migration.comparison import compare
from multitrack.migration.content import Content
from multitrack.migration.embedded_files import EmbeddedFiles
from multitrack.migration.findings import Finding, Verified
from multitrack.migration.opening import open_source
from multitrack.reading.recorded_run import RecordedRun
from multitrack.sources.run import SourceRun
from multitrack.sources.source import EmbeddedFile, Gap, Source

__all__ = ["Finding", "Verified", "compare_runs", "verify_run"]


def verify_run(run: RecordedRun, backend: str) -> Verified:
    """Compare a run with what a backend's tracker holds of it, or the tracker that it was imported from.

    Runs in this process, which imports the tracker's SDK.

    Args:
        run: The run.
        backend: The backend's name in the config.
    """
    found = Verified(run.id, run.manifest.name, backend)
    try:
        source = _open(run, backend)
        try:
            native, content = _read(source, run)
        finally:
            source.close()
        summary, origin = run.summary(), run.manifest.imported
        is_origin = origin is not None and origin.tracker == backend
        if is_origin and (summary.status, native.status) == ("killed", "running"):  # the tracker never learns of it
            native = msgspec.structs.replace(native, status="killed", ended=summary.ended)
        compare(run, native, content, state_of(run.directory, backend).stand_ins, found)
    except Exception as error:  # noqa: BLE001 - a backend may raise anything; the caller shows it
        found.error = str(error) if isinstance(error, SourceError) else error_text(error)
    return found


def compare_runs(run: RecordedRun, other: RecordedRun) -> Verified:
    """Compare a run with one that came back from a tracker by an import into another journal.

    Args:
        run: The run as it was sent.
        other: The run as it came back.
    """
    content = Content()
    for record in other.records():
        content.add(record)
    manifest, summary = other.manifest, other.summary()
    native = SourceRun(
        id=other.id, project=manifest.project, name=manifest.name, created=manifest.created, ended=summary.ended,
        status=summary.status,
    )  # fmt: skip
    found = Verified(run.id, run.manifest.name, manifest.imported.tracker if manifest.imported is not None else "")
    compare(run, native, content, [], found)
    return found


def _open(run: RecordedRun, backend: str) -> Source:
    entry = next((entry for entry in run.manifest.backends if entry.name == backend), None)
    origin = run.manifest.imported
    if entry is None and origin is not None and origin.tracker == backend:
        return open_source(origin.source, origin.tracker)
    if entry is None:
        raise SourceError(f"the run was not delivered to {backend}: `multitrack replay {run.id} --to {backend}`")
    state = state_of(run.directory, backend)
    if state.id is None:
        raise SourceError(f"{backend} has nothing of the run yet: `multitrack sync {run.id}`")
    trust = Trust((), partial(load_config, arguments={"journal": str(run.directory.parent.parent)}))
    loaded, options, _ = BackendSource(entry, None, None, trust).load()
    info = run_info(run.directory, entry.name, run.manifest, run.context, options)
    source = loaded.read_run(msgspec.structs.replace(info, backend_id=state.id))
    if source is None:
        raise SourceError(f"runs of {backend} cannot be read back: the backend has no hook read_run")
    return source


def _read(source: Source, run: RecordedRun) -> tuple[SourceRun, Content]:
    origin = run.manifest.imported
    for native in source.runs():
        if isinstance(native, SourceRun) and (
            native.run_id == run.facts.id
            or (origin is not None and (native.scope, native.id) == (origin.scope, origin.id))
        ):
            if native.deleted:
                raise SourceError(f"run {native.id} was deleted in {source.address}")
            content, embedded = Content(), EmbeddedFiles(run.directory)
            for record in source.records(native):
                content.add(embedded.reference(record) if isinstance(record, EmbeddedFile) else record)
            if origin is not None and origin.project is not None:  # which the tracker does not have
                native = msgspec.structs.replace(native, project=run.manifest.project)
            return native, content
        if isinstance(native, Gap):
            raise SourceError(native.reason)
    raise SourceError(f"there is no run {run.id} in {source.address}")
