"""Choose the way to write a run: Trackio's storage layer, or its public functions if the release lacks a name."""

from __future__ import annotations

from pathlib import Path

from multitrack.hookspecs import RunInfo
from multitrack_trackio import internals
from multitrack_trackio.names import project_name, run_identity, run_name
from multitrack_trackio.rows import RowWriter
from multitrack_trackio.storage_way import StorageWriter


def writer_of(run: RunInfo) -> RowWriter:
    """Return the writer of a run; the first call imports Trackio."""
    directory = Path(run.options.directory)
    project = project_name(run.options.project or run.project)
    identity = run_identity(run.id, run.created, "" if run.context is None else run.context.host)
    storage = internals.storage_of(directory)
    if storage is None:
        from multitrack_trackio.public_way import PublicWriter  # noqa: PLC0415 - rarely needed

        return PublicWriter(directory, project, identity, run_name(run.name), run.directory, run.created)
    return StorageWriter(storage, directory, project, identity, run_name(run.name), run.name, run.created)
