"""Check out a recorded commit, with its recorded changes, and leave the user's repository as it is.

The checkout is a clone that shares the objects of the repository: no branch, worktree or configuration is added there.
Git runs no hook and downloads nothing. It is asked only about a repository that the user is in, or names: another one's
configuration could name programs that git runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from multitrack.environment import commands
from multitrack.errors import RunError
from multitrack.journal.manifest import GitState
from multitrack.security.terminal import safe

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: Timeout of a question, and of a checkout, in seconds.
_QUESTION: Final = 20.0
_CHECKOUT: Final = 3600.0
#: Large files stay pointers; no repository that git itself was called from; a copy on this machine only.
_ENVIRONMENT: Final = (
    "env", "-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-u", "GIT_INDEX_FILE", "GIT_LFS_SKIP_SMUDGE=1",
    "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file",
)  # fmt: skip
_SETTINGS: Final = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false",
    "-c", "advice.detachedHead=false",
)  # fmt: skip


def repository_with(git: GitState, named: Path | None) -> Path:
    """Find a local repository that has the recorded commit.

    Args:
        git: The recorded state.
        named: The repository to use; default: the one around the current directory.

    Raises:
        RunError: If there is none, or it lacks the commit.
    """
    if _COMMIT.fullmatch(git.commit) is None:
        raise RunError(f"the recorded commit {safe(git.commit)[:80]!r} is not the id of a commit")
    found = repository_at(named or Path.cwd())
    if found is None:
        place = named or Path.cwd()
        asked = f"git -C {shlex.quote(str(place))} status"
        raise RunError(f"git finds no repository at {place} (`{asked}` says why); {_elsewhere(git)}")
    if _answer(found, "cat-file", "-e", f"{git.commit}^{{commit}}") is None:
        fetch = f"git -C {shlex.quote(str(found))} fetch --all"
        raise RunError(f"{found} has no commit {git.commit}; get it with `{fetch}`, or {_elsewhere(git)}")
    return found


def repository_at(directory: Path) -> Path | None:
    """The root of the repository around a directory; None if there is none."""
    if not directory.is_dir():
        return None
    root = _answer(directory, "rev-parse", "--show-toplevel")
    if root is None and _answer(directory, "rev-parse", "--is-bare-repository") == "true":
        return directory.absolute()
    return Path(root) if root else None


def _elsewhere(git: GitState) -> str:
    known = [f"{what} {safe(place)}" for what, place in (("in", git.root), ("cloned from", git.remote)) if place]
    recorded = f" (it was {', '.join(known)})" if known else ""
    return f"name a repository that has the run's commit with --repository PATH{recorded}"


def check_out(repository: Path, commit: str, source: Path) -> None:
    """Check out a commit into a new directory.

    Raises:
        RunError: If git fails.
    """
    clone = ("clone", "--quiet", "--shared", "--no-checkout", "--template=", "--", str(repository), str(source))
    for place, arguments in ((source.parent, clone), (source, ("checkout", "--quiet", "--detach", commit))):
        problem = _run(place, arguments)
        if problem is not None:
            raise RunError(f"cannot check out {commit} of {repository} into {source}: {safe(problem)}")


def apply_patch(patch: Path, source: Path) -> None:
    """Apply recorded changes to a checkout; none of them, if one does not apply.

    Raises:
        RunError: If they do not apply.
    """
    problem = _run(source, ("apply", "--whitespace=nowarn", "--", str(patch)))
    if problem is not None:
        raise RunError(f"the recorded changes {patch} do not apply to the commit: {safe(problem)}")


def _run(directory: Path, arguments: Sequence[str]) -> str | None:
    """Run git; the reason if it failed."""
    command = [*_ENVIRONMENT, "git", *_SETTINGS, *arguments]
    return commands.run(command, directory, lambda _: True, seconds=_CHECKOUT)


def _answer(directory: Path, *arguments: str) -> str | None:
    command = [*_ENVIRONMENT, "git", "--no-optional-locks", *_SETTINGS, *arguments]
    return commands.output(command, directory, seconds=_QUESTION)
