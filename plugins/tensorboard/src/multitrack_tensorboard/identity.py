"""A run's name, relations and origin, as texts."""

from __future__ import annotations

import datetime
import shlex

from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import Context


def described(run: RunInfo) -> dict[str, str | None]:
    """Return a run's name, relations and origin, by field; ``None`` for unknown values."""
    return {
        "run id": run.id,
        "project": run.project,
        "name": run.name,
        "notes": run.notes,
        "group": run.group,
        "parent": run.parent,
        "parent name": run.parent_name,
        "started": utc(run.created),
        **(_origin(run.context) if run.context is not None else {}),
    }


def _origin(context: Context) -> dict[str, str | None]:
    """Return user, host, program and so on, by field: those of the training, not of the courier."""
    git = context.git
    return {
        "user": context.user,
        "host": context.host,
        "program": context.program,
        "command": shlex.join(context.command),
        "working directory": context.cwd,
        "executable": context.executable,
        "python": context.python,
        "platform": context.platform,
        "git commit": git.commit if git else None,
        "git branch": git.branch if git else None,
        "git remote": git.remote if git else None,
        "uncommitted changes": None if git is None or git.dirty is None else "yes" if git.dirty else "no",
    }


def utc(ms: int) -> str:
    """Format a time as ISO 8601 text with milliseconds."""
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")
