"""Find the active run, for code that was not passed one."""

from __future__ import annotations

from typing import cast

from multitrack.config import Settings
from multitrack.journal.manifest import Manifest
from multitrack.recording import lifecycle
from multitrack.recording.run import Run


def active_run() -> Run:
    """The innermost open run: this context's inside ``with``, else the process's last; if none, a disabled run."""
    run = cast(Run | None, lifecycle.active.get())
    if run is not None and run.status == "running":
        return run
    return cast(Run | None, lifecycle.last_open()) or disabled_run()


def disabled_run(project: str = "", name: str = "") -> Run:
    """Create a run that accepts every call and records nothing."""
    return Run(Manifest(id="disabled", project=project, name=name, created=0), None, Settings())
