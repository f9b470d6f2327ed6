"""Gather the context of a run: user, host, command, source, packages, machine.

The quick facts are known when ``start_run`` returns. The others need git, which may be slow in a large repository, and
a scan of the installed packages. A thread gathers them, and the manifest is written again. The modules for that are
imported there.
"""

from __future__ import annotations

import getpass
import os
import platform
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from multitrack._text import clean_text
from multitrack.journal.manifest import Context, GitState
from multitrack.journal.provenance import CodeState
from multitrack.journal.segments import host_name
from multitrack.plugins.distributions import packages, urls_of_packages
from multitrack.security.redaction import Redaction

if TYPE_CHECKING:
    from multitrack.environment.code_files import CodeFiles


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


def full_context(quick: Context, redaction: Redaction, directory: Path, parts: Collection[str]) -> Context:
    """Complete a context, and keep the source in the run's directory; takes milliseconds to seconds.

    Args:
        quick: The quick facts.
        redaction: The redaction of the run's texts.
        directory: The run's directory.
        parts: The parts to gather, as in the setting ``code``.
    """
    from multitrack.environment.code_files import CodeFiles  # noqa: PLC0415 - the start of a run does not need it
    from multitrack.environment.source import keep_script, lock_digests  # noqa: PLC0415 - as above

    files, git, code = CodeFiles(directory, redaction), None, CodeState()
    program, cwd = _places(quick)
    start = Path(program).parent if program else Path(cwd)
    if "git" in parts or "diff" in parts:
        git, code = _from_git([start, Path(cwd)], files, diff="diff" in parts)
    if "script" in parts:
        keep_script(program, files)
    context = quick
    if "packages" in parts:
        urls = {name: redaction.text(url) for name, url in urls_of_packages().items()}
        context = msgspec.structs.replace(context, packages=packages(), urls=urls)
        root = [Path(git.root)] if git is not None and git.root else []
        code = msgspec.structs.replace(code, locks=lock_digests([start, Path(cwd), *root], files))
    if "hardware" in parts:
        from multitrack.environment.hardware import hardware  # noqa: PLC0415 - as above

        context = msgspec.structs.replace(context, hardware=hardware())
    git = git and _clean(git, redaction)
    return msgspec.structs.replace(context, git=git, code=files.added_to(code) if parts else None, complete=True)


def _from_git(directories: Sequence[Path], files: CodeFiles, *, diff: bool) -> tuple[GitState | None, CodeState]:
    """Ask git about the first of the directories that is in a repository."""
    from multitrack.environment.git import Git, deadline  # noqa: PLC0415 - as above

    problem, end = None, deadline()
    for directory in dict.fromkeys(directories):
        git = Git(directory, end)
        if git.state is not None:
            return git.look(git.state, files, diff=diff)
        problem = problem or git.problem
    files.leave_out("git", problem or "no commit")
    return None, CodeState()


def _clean(git: GitState, redaction: Redaction) -> GitState:
    texts = {name: clean_text(getattr(git, name) or "") for name in ("remote", "branch", "root")}
    remote, branch = redaction.text(texts["remote"]), redaction.text(texts["branch"])
    return msgspec.structs.replace(git, remote=remote or None, branch=branch or None, root=texts["root"] or None)


def _places(quick: Context) -> tuple[str | None, str]:
    """The program and the current directory as they were, also where a path is not UTF-8."""
    program, cwd = _program(), _cwd()
    return (
        program if program is not None and clean_text(program) == quick.program else quick.program,
        cwd if clean_text(cwd) == quick.cwd else quick.cwd,  # else the training has changed it since
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
