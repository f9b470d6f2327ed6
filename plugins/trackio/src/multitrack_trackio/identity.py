"""The part of a run's config that tells its identity and origin."""

from __future__ import annotations

import shlex
from typing import Any

from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import Context
from multitrack_trackio.names import OWN
from multitrack_trackio.values import text_value, utc


def identity(run: RunInfo) -> dict[str, Any]:
    """Return a run's name, relations and origin, by config key.

    ``_Username``, ``_Created`` and ``_Group`` are Trackio's own; its dashboard groups runs by them.
    """
    context = run.context
    own = {
        "run_id": run.id,
        "project": run.project,
        "name": run.name,
        "group": run.group,
        "notes": run.notes,
        "parent": run.parent,
        "parent_name": run.parent_name,
        "started": utc(run.created),
        **(_origin(context) if context is not None else {}),
    }
    return {
        "_Username": None if context is None else context.user,
        "_Created": utc(run.created),
        "_Group": run.group or run.parent_name,
        **{f"{OWN}{key}": text_value(value) for key, value in own.items() if value is not None},
    }


def _origin(context: Context) -> dict[str, str | None]:
    """Return user, host, program and so on: those of the training, not of the courier."""
    git = context.git
    return {
        "user": context.user,
        "host": context.host,
        "program": context.program,
        "command": shlex.join(context.command),
        "cwd": context.cwd,
        "executable": context.executable,
        "python": context.python,
        "platform": context.platform,
        "git/commit": git.commit if git else None,
        "git/branch": git.branch if git else None,
        "git/remote": git.remote if git else None,
        "git/dirty": None if git is None or git.dirty is None else str(git.dirty).lower(),
    }
