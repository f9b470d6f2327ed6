"""The version of a file or folder that git tracks: the commit that last changed it, and its path."""

from __future__ import annotations

import os
from pathlib import Path

from multitrack.data_versions.places import DEPTH
from multitrack.environment import commands
from multitrack.markers import hookimpl


def is_near(path: Path) -> bool:
    """Return True if a path is in the work tree of a repository; a stat call a folder, no git."""
    folder = os.path.realpath(path)  # strings, which cost a tenth of paths: each call waits for this
    for _ in range(DEPTH):
        if os.path.exists(os.path.join(folder, ".git")):  # noqa: PTH110, PTH118 - as above
            return True
        folder, below = os.path.dirname(folder), folder  # noqa: PTH120 - as above
        if folder == below:
            break
    return False


@hookimpl
def find_data_version(path: Path | None) -> str | None:
    """Return ``git:<commit>:<path>``, which ``git show <commit>:<path>`` takes.

    None if git does not track it, or if it differs from the commit: by a change, or in a folder by a file that git does
    not track or ignores.
    """
    if path is None or not path.exists():
        return None
    real = path.resolve()
    folder, name = (real, ".") if real.is_dir() else (real.parent, real.name)
    if run(folder, "status", "--porcelain", "--untracked-files=normal", "--ignored", "--", name) != "":
        return None
    commit = run(folder, "log", "-1", "--format=%H", "--", name)
    prefix = run(folder, "rev-parse", "--show-prefix")
    if not commit or prefix is None:
        return None
    return f"git:{commit}:{prefix.rstrip('/') or '.' if name == '.' else prefix + name}"


def run(folder: Path, *arguments: str) -> str | None:
    """The output of a git command that takes paths literally and starts no file watcher; None if it fails."""
    command = ["git", "--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false", *arguments]
    return commands.output(command, folder, seconds=10.0)
