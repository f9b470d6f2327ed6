"""The settings of a run in W&B: no capturing, no prompts, and the identity of the training."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import Context
from multitrack_wandb.internals.helper import known_settings
from multitrack_wandb.names import display_name, moment, project_name
from multitrack_wandb.options import WandbOptions

#: Config key of the run's start time.
CREATED: Final = "multitrack/created"
_INIT_TIMEOUT: Final = 60.0
_FINISH_TIMEOUT: Final = 300.0


def settings(sdk: Any, options: WandbOptions, context: Context | None) -> Any:
    """Return the settings for the start of a run, without those that the installed release lacks."""
    given: dict[str, Any] = {
        "root_dir": options.dir,
        "console": "off",
        "silent": True,
        "save_code": False,
        "disable_code": True,
        "disable_git": True,  # it would read the courier's directory; the training's git is given below
        "disable_job_creation": True,
        "label_disable": True,
        "sagemaker_disable": True,
        "x_save_requirements": False,  # those of the courier's interpreter
        "x_disable_stats": not (options.system_metrics and context is not None and context.pid),
        "init_timeout": _INIT_TIMEOUT,
        "finish_timeout": _FINISH_TIMEOUT,
        "finish_timeout_raises": True,
        "stop_fn": _ignore_stop,
    }
    if options.base_url is not None:
        given["base_url"] = options.base_url
    if options.sweep:
        given["sweep_id"] = options.sweep
    if context is not None:
        given |= _identity(context)
    if context is None or not context.executable:  # imported: this process and machine are not where it ran
        given["x_disable_meta"] = True
    return sdk.Settings(**known_settings(sdk, given))


def _identity(context: Context) -> dict[str, Any]:
    program = context.program or "<python with no main file>"
    identity = {
        "program": program,
        "program_relpath": _relative(program, context.git.root if context.git else context.cwd),
        "host": context.host,
        "username": context.user,
        "x_executable": context.executable,
        "x_stats_pid": context.pid,
    }
    if context.git is not None:
        identity |= {"git_commit": context.git.commit, "git_remote_url": context.git.remote or ""}
    return identity


def _relative(program: str, root: str | None) -> str:
    path = Path(program)
    return str(path.relative_to(root)) if root is not None and path.is_relative_to(root) else path.name


@contextlib.contextmanager
def command_line(context: Context | None) -> Iterator[None]:
    """Set ``sys.argv`` to the training's command line. In the training process itself this changes nothing.

    An imported run may have none: the command that sends it is not its own.
    """
    arguments = [] if context is None or not context.command else arguments_of(context)
    if arguments is None or sys.argv[1:] == arguments:
        yield
        return
    before, sys.argv = sys.argv, [sys.argv[0], *arguments]
    try:
        yield
    finally:
        sys.argv = before


def arguments_of(context: Context) -> list[str] | None:
    """Return the arguments after the script's name on the training's command line; ``None`` if unknown."""
    for i, word in enumerate(context.command):
        if word == "-m":
            return context.command[i + 2 :]
        if context.program is not None and os.path.join(context.cwd, word) == context.program:  # noqa: PTH118
            return context.command[i + 1 :]
    return None


def _ignore_stop() -> None:
    """Ignore W&B's stop button, which would interrupt the courier, not the training."""


def facts(run: RunInfo) -> dict[str, Any]:
    """Return the config keys under ``multitrack/``: values that W&B has no field for, or would cut or overwrite."""
    facts: dict[str, Any] = {"multitrack/run": run.id, CREATED: moment(run.created)}
    if run.parent is not None:
        facts["multitrack/parent"] = run.parent
    if display_name(run.name) != run.name:
        facts["multitrack/name"] = run.name
    if run.group is not None and display_name(run.group) != run.group:
        facts["multitrack/group"] = run.group
    if project_name(run.project) != run.project:
        facts["multitrack/project"] = run.project
    if run.options.sweep:
        facts["multitrack/sweep"] = run.options.sweep
    return facts
