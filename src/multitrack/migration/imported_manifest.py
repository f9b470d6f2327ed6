"""The manifest of an imported run: the facts that its tracker has."""

from __future__ import annotations

from pathlib import Path

import msgspec

from multitrack._text import MAX_NAME, clean_text
from multitrack.journal.manifest import Context, GitState, Manifest, Origin
from multitrack.security.redaction import Redaction
from multitrack.sources.run import SourceRun
from multitrack.sources.source import Source


def manifest_of(
    run: SourceRun, source: Source, run_id: str, parent: str | None, project: str | None, files: Path | None,
    redaction: Redaction,
) -> Manifest:  # fmt: skip
    """The manifest of a run.

    Args:
        run: The run.
        source: Its source.
        run_id: Its id in the journal.
        parent: Its parent's id there.
        project: Its project, if the program told it and the source does not have it.
        files: Directory with copies of its files; None if they are left where they are.
        redaction: Redacts secrets in its texts.
    """
    return Manifest(
        run_id,
        _name(redaction.text(project or run.project), source.tracker),
        _name(redaction.text(run.name), run_id),
        run.created,
        context=_context(run, redaction),
        parent=parent,
        group=None if run.group is None else redaction.text(run.group),
        notes=None if run.notes is None else redaction.text(run.notes),
        imported=Origin(
            source.tracker, run.id, source.address, run.scope, run.url, files=None if files is None else str(files),
            project=None if project is None else redaction.text(project),
        ),
        redacted=redaction.count,
    )  # fmt: skip


def updated(before: Manifest, now: Manifest) -> Manifest:
    """The manifest with the names and relations that the tracker has now: a run may be renamed there."""
    origin, project = before.imported, now.project
    if origin is not None and now.imported is not None:
        if origin.project is not None and now.imported.project is None:
            project = before.project
        told = now.imported.project or origin.project
        origin = msgspec.structs.replace(origin, files=now.imported.files, project=told)
    return msgspec.structs.replace(
        before, name=now.name, project=project, group=now.group, notes=now.notes, parent=now.parent, imported=origin
    )


def _context(run: SourceRun, redaction: Redaction) -> Context | None:
    """The facts of the run's origin that the tracker has; None if it has none."""
    git = None
    if run.commit is not None:
        remote = None if run.remote is None else redaction.text(run.remote)
        git = GitState(run.commit, branch=run.branch, remote=remote)
    if git is None and not (run.user or run.host or run.program or run.command):
        return None
    return Context(
        run.user or "", run.host or "", 0, "", run.program, redaction.command(run.command), "", "", "", git=git
    )


def _name(text: str, otherwise: str) -> str:
    """A name as every journal can hold it; trackers also have empty ones, and some with NUL."""
    return clean_text(text.replace("\0", ""))[:MAX_NAME].strip() or otherwise
