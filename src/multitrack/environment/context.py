"""Gather the context of a run: user, host, command, git commit, packages.

The quick facts are known when ``start_run`` returns. The others need git, which may be slow in a large repository, and
a scan of the installed packages. A thread gathers them, and the manifest is written again.
"""

from __future__ import annotations

import getpass
import os
import platform
import sys
from pathlib import Path

import msgspec

from multitrack._text import clean_text
from multitrack.environment.git import git_output
from multitrack.journal.manifest import Context, GitState
from multitrack.journal.segments import host_name
from multitrack.plugins.distributions import packages, urls_of_packages
from multitrack.security.redaction import Redaction


def quick_context(redaction: Redaction) -> Context:
    """The facts that are known at once, marked as not complete."""
    program = _program()
    return Context(
        user=clean_text(_user()), host=host_name(), pid=os.getpid(), cwd=clean_text(_cwd()),
        program=None if program is None else clean_text(program),
        command=redaction.command([clean_text(word) for word in sys.orig_argv or sys.argv]),
        executable=clean_text(str(sys.executable or "")), python=platform.python_version(), platform=sys.platform,
        complete=False,
    )  # fmt: skip


def full_context(quick: Context, redaction: Redaction) -> Context:
    """Complete a context with the git state and the installed distributions; takes milliseconds to seconds."""
    start = Path(quick.program).parent if quick.program else Path(quick.cwd)
    git = git_state(start) or (git_state(Path(quick.cwd)) if str(start) != quick.cwd else None)
    if git is not None:
        remote, branch = redaction.text(git.remote or ""), redaction.text(git.branch or "")
        git = msgspec.structs.replace(git, remote=remote or None, branch=branch or None)
    urls = {name: redaction.text(url) for name, url in urls_of_packages().items()}
    return msgspec.structs.replace(quick, git=git, packages=packages(), urls=urls, complete=True)


def git_state(directory: Path) -> GitState | None:
    """The git state around ``directory``; None if there is no repository, no commit, or no git."""
    commit = git_output(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    status = git_output(directory, "status", "--porcelain", "--untracked-files=no")
    remote = git_output(directory, "config", "--get", "remote.origin.url")
    return GitState(
        commit=commit,
        branch=git_output(directory, "symbolic-ref", "--short", "--quiet", "HEAD") or None,
        dirty=None if status is None else bool(status),
        remote=remote or None,
        root=git_output(directory, "rev-parse", "--show-toplevel"),
    )


def _program() -> str | None:
    """The path of the running script; None in a shell or notebook."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return os.path.join(_cwd(), file) if isinstance(file, str) and file else None  # noqa: PTH118 - a string


def _cwd() -> str:
    """The current directory; if it was deleted, the name that the system still has for it."""
    try:
        return os.getcwd()  # noqa: PTH109 - a string
    except OSError:
        try:
            return os.readlink("/proc/self/cwd")  # noqa: PTH115 - a string
        except OSError:
            return "(deleted)"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for this uid, as in some containers
        return str(os.getuid())
