"""Choose the way to write a run: into goodseed's file, or with its public functions if the file has another layout."""

from __future__ import annotations

from pathlib import Path

from multitrack.hookspecs import RunInfo
from multitrack_goodseed import internals
from multitrack_goodseed.names import file_of, project_name, run_identity
from multitrack_goodseed.rows import RowWriter


def writer_of(run: RunInfo) -> RowWriter:
    """Return the writer of a run; the first call imports goodseed."""
    home = Path(run.options.directory)
    project = project_name(run.options.project or run.project)
    identity = run_identity(run.id, run.created, "" if run.context is None else run.context.host)
    path = file_of(home, run.options.project or run.project, identity)
    create = internals.creator()
    if create is None:
        from multitrack_goodseed.public_way import PublicWriter  # noqa: PLC0415 - rarely needed

        return PublicWriter(home, path, project, identity, run.created)
    from multitrack_goodseed.database_way import DatabaseWriter  # noqa: PLC0415 - as above

    return DatabaseWriter(create, path, project, identity, run.created)
