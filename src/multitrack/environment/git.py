"""Ask git about the source: commit, branch, remote, changed and untracked files, submodules, the diff.

Every question has a deadline, and no answer is held in memory beyond its limit. Git takes no lock, starts no pager, no
external diff and no text conversion, and never asks for a password. Which repositories it reads is up to git: one of
another user is refused (``safe.directory``), and the reason is recorded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from multitrack.environment import commands
from multitrack.environment.code_files import CodeFiles
from multitrack.environment.patch import FILE_LIMIT, PatchFilter
from multitrack.journal.manifest import GitState
from multitrack.journal.provenance import PATCH, UNTRACKED, CodeState

#: Timeout of one git command, and of all of a run, in seconds. The end of a short run waits for them.
_COMMAND: Final = 5.0
_ALL: Final = 6.0
#: Limits of a short answer, and of the names of untracked files, in bytes.
_SHORT: Final = 100_000
_UNTRACKED: Final = 1_000_000
#: Options against the user's own settings, which would make a patch that ``git apply`` refuses.
_DIFF: Final = (
    "diff", "HEAD", "--patch", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index",
    "--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--inter-hunk-context=0", "--ignore-submodules=all",
)  # fmt: skip


def deadline() -> float:
    """The end of the time that git has for a run that asks now."""
    return time.monotonic() + _ALL


class Git:
    """The repository around a directory.

    Args:
        directory: A directory in it.
        deadline: Value of ``time.monotonic()`` after which no command is started.

    Attributes:
        state: The commit and the like; None without a repository, a commit or git.
        problem: The reason for that.
    """

    def __init__(self, directory: Path, deadline: float) -> None:
        self._directory = directory
        self._deadline = deadline
        self.state: GitState | None = None
        commit, self.problem = self._answer("rev-parse", "HEAD")
        if self.problem is None and commit:
            root = self._answer("rev-parse", "--show-toplevel")[0]
            self._directory = Path(root) if root else directory
            self.state = GitState(
                commit=commit,
                branch=self._answer("symbolic-ref", "--short", "--quiet", "HEAD")[0] or None,
                remote=self._answer("config", "--get", "remote.origin.url")[0] or None,
                root=root or None,
            )

    def look(self, state: GitState, files: CodeFiles, *, diff: bool) -> tuple[GitState, CodeState]:
        """List changed and untracked files and submodules, and keep the diff.

        Returns:
            The state, with ``dirty``, and the rest.
        """
        found = CodeState()
        if state.root is None:
            return state, found  # a bare repository
        names, changed = _Names(_SHORT), list[str]()
        problem = self._run(
            names.take, "status", "--porcelain=v2", "-z", "--untracked-files=no",
            "--no-renames",
        )  # fmt: skip
        if problem is None:
            state = msgspec.structs.replace(state, dirty=names.count > 0)
            changed = [name for name in map(_changed, names.names) if name is not None]
            found = msgspec.structs.replace(found, changed=files.names(changed), changed_count=names.count)
        else:
            files.leave_out("names of changed files", problem)
        if diff and state.dirty is not False:
            self._keep_diff(changed, files)
        untracked = self._keep_untracked(files)
        submodules = self._submodules(files)
        return state, msgspec.structs.replace(found, untracked_count=untracked, submodules=submodules)

    def _keep_diff(self, changed: list[str], files: CodeFiles) -> None:
        patch, large = PatchFilter(files), [name for name in changed if _size(self._directory / name) > FILE_LIMIT]
        for name in large:
            files.leave_out(name, f"larger than {FILE_LIMIT:,} bytes")
        # git would compute the hash of each: a minute for 10 GB
        paths = (".", *(f":(exclude,literal){name}" for name in large))
        problem = self._run(patch.take, *_DIFF, "--", *paths, environment=("GIT_NO_LAZY_FETCH=1",))
        files.write(PATCH, patch.patch(complete=problem is None))
        if problem is not None:
            reason = "the size limit was reached" if patch.full else problem
            files.leave_out("diff", f"{reason}; the changes of {patch.kept} files were kept, not those of the others")

    def _keep_untracked(self, files: CodeFiles) -> int:
        names = _Names(_UNTRACKED)
        problem = self._run(
            names.take, "ls-files", "--others", "--exclude-standard", "--directory",
            "--no-empty-directory", "-z",
        )  # fmt: skip
        if problem is not None:
            files.leave_out("names of untracked files", problem)
            return 0
        if names.count > len(names.names):
            files.leave_out("names of untracked files", "the size limit was reached", names.count - len(names.names))
        found = [name for name in names.names if self._directory / os.fsdecode(name) != files.journal]
        text = "".join(f"{_line(name)}\n" for name in found)
        files.write(UNTRACKED, files.source(text.encode(), UNTRACKED, UNTRACKED))
        return names.count - (len(names.names) - len(found))

    def _submodules(self, files: CodeFiles) -> dict[str, str]:
        if not (self._directory / ".gitmodules").is_file():
            return {}
        text, problem = self._answer("submodule", "status", "--recursive", strip=False)
        if problem is not None:
            files.leave_out("submodules", problem)
            return {}
        found = {}
        for line in text.splitlines():
            commit, _, rest = line[1:].partition(" ")
            if line[:1] != "-":  # not checked out
                found[files.names([rest.rpartition(" (")[0] or rest])[0]] = commit
        return found

    def _answer(self, *arguments: str, strip: bool = True) -> tuple[str, str | None]:
        """The output of a command, and the reason if it failed."""
        parts: list[bytes] = []

        def take(chunk: bytes) -> bool:
            parts.append(chunk)
            return sum(map(len, parts)) <= _SHORT

        problem = self._run(take, *arguments)
        text = os.fsdecode(b"".join(parts)) if problem is None else ""
        return (text.removesuffix("\n") if strip else text), problem

    def _run(self, take: Callable[[bytes], bool], *arguments: str, environment: tuple[str, ...] = ()) -> str | None:
        command = [
            *(("env", *environment) if environment else ()), "git", "--no-optional-locks", "-c", "core.quotePath=true",
            "-c", f"core.bigFileThreshold={FILE_LIMIT}", "-c", "diff.orderFile=/dev/null", *arguments,
        ]  # fmt: skip
        seconds = min(_COMMAND, self._deadline - time.monotonic())
        return commands.run(command, self._directory, take, seconds=seconds)


class _Names:
    """Takes names that end with NUL, and counts those for which there is no room."""

    def __init__(self, limit: int) -> None:
        self.names: list[bytes] = []
        self.count = 0
        self._room = limit
        self._rest = b""

    def take(self, chunk: bytes) -> bool:
        *names, self._rest = (self._rest + chunk).split(b"\0")
        for name in names:
            self.count += 1
            self._room -= len(name) + 1
            if self._room >= 0:
                self.names.append(name)
        return True


def _changed(entry: bytes) -> str | None:
    """The path in an entry of ``git status --porcelain=v2``."""
    fields = entry.split(b" ", 10 if entry.startswith(b"u ") else 8)
    return os.fsdecode(fields[-1]) if entry[:2] in (b"1 ", b"u ") else None


def _line(name: bytes) -> str:
    """A name as one line of UTF-8; other bytes, and a newline, as escapes."""
    return name.decode("utf-8", "backslashreplace").replace("\n", "\\n")


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # deleted
        return 0
