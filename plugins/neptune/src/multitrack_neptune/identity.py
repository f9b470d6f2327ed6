"""The fields with a run's identity and origin."""

from __future__ import annotations

import shlex

from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import Context
from multitrack_neptune.values import utc


def described(run: RunInfo) -> dict[str, str | None]:
    """Return a run's name, relations and origin, by field; ``None`` for unknown values."""
    return {
        "sys/name": run.name,
        "sys/description": run.notes,
        "multitrack/run_id": run.id,
        "multitrack/project": run.options.project or run.project,
        "multitrack/group": run.group,
        "multitrack/parent": run.parent,
        "multitrack/parent_name": run.parent_name,
        "multitrack/started": utc(run.created),
        **(_identity(run.context) if run.context is not None else {}),
    }


def _identity(context: Context) -> dict[str, str | None]:
    """Return user, host, program and so on, by field: those of the training, not of the courier."""
    git = context.git
    return {
        "sys/hostname": context.host,
        "source_code/entrypoint": context.program,
        "source_code/commit": git.commit if git else None,
        "source_code/branch": git.branch if git else None,
        "source_code/remote": git.remote if git else None,
        "multitrack/user": context.user,
        "multitrack/command": shlex.join(context.command),
        "multitrack/cwd": context.cwd,
        "multitrack/executable": context.executable,
        "multitrack/python": context.python,
        "multitrack/platform": context.platform,
    }
