"""The single values that tell a run's name, relations and origin."""

from __future__ import annotations

import shlex

from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import Context
from multitrack_goodseed.names import OWN, run_name
from multitrack_goodseed.values import ConfigValue, utc


def identity(run: RunInfo, native_id: str) -> dict[str, ConfigValue]:
    """Return a run's name, relations and origin, by path; those below ``sys/`` are goodseed's own."""
    own = {
        "run_id": run.id,
        "project": run.project,
        "name": run.name,
        "group": run.group,
        "notes": run.notes,
        "parent": run.parent,
        "parent_name": run.parent_name,
        "started": utc(run.created),
        **(_origin(run.context) if run.context is not None else {}),
    }
    found: dict[str, ConfigValue] = {
        "sys/id": native_id,
        "sys/name": run_name(run.name),
        "sys/creation_time": utc(run.created),
        **{f"{OWN}{key}": value for key, value in own.items() if value is not None},
    }
    return found if run.notes is None else {**found, "sys/description": run.notes}


def _origin(context: Context) -> dict[str, ConfigValue]:
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
        "git/dirty": git.dirty if git else None,
    }
