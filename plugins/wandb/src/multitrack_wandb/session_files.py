"""W&B's directories of a run: which ones are ours, which are whole, and what is in them.

A directory's ``.wandb`` file is only whole once the SDK has finished the run: before, it is written in its own
good time, and killed, it is dropped. So a directory that was not finished is thrown away and written anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from pathlib import Path
from typing import Final

import msgspec

from multitrack.errors import PermanentError, RetryableError
from multitrack.journal.atomic import write_json
from multitrack_wandb.held import sent

#: The first config is among the first bytes of a file.
_BEGINNING: Final = 32 * 1024
#: How long a helper process may take to notice that its process died, in seconds.
_FAREWELL: Final = 10.0


class Session(msgspec.Struct, omit_defaults=True):
    """One time that the run was open in W&B.

    Attributes:
        directory: Where the SDK wrote it; empty while it is about to start.
        mode: ``online`` or ``offline``.
        pid: The process that held it open.
        end: Every record with a lower ordinal is in W&B; ``None`` while it was not finished.
        url: Where a browser shows the run.
        before: Directories of the run that there were when it was about to start.
        rows: How many of the run's rows W&B held when it began.
        lines: The same of lines.
    """

    directory: str
    mode: str
    pid: int
    end: int | None = None
    url: str | None = None
    before: list[str] = []
    rows: int = 0
    lines: int = 0


class Taken(msgspec.Struct):
    """What W&B has of the run, as far as is known without asking it.

    Attributes:
        rows: How many rows it has for certain.
        lines: The same of lines.
        most_rows: How many it has at most; ``None``: nobody knows.
        most_lines: The same of lines.
    """

    rows: int = 0
    lines: int = 0
    most_rows: int | None = None
    most_lines: int | None = None


class Sessions(msgspec.Struct):
    """The sessions of a run, oldest first, kept in the lane's own directory.

    Attributes:
        sessions: Those that were finished, and the last ones where they were cut off.
        taken: What W&B has of those that were finished.
    """

    sessions: list[Session] = []
    taken: Taken = msgspec.field(default_factory=Taken)

    @property
    def held(self) -> int:
        """The position up to which W&B holds everything."""
        return max((session.end for session in self.sessions if session.end is not None), default=0)

    @property
    def url(self) -> str | None:
        """Where a browser shows the run, as far as is known."""
        return next((session.url for session in reversed(self.sessions) if session.url), None)

    def acknowledged(self) -> int | None:
        """How many rows the server has acknowledged by now; ``None`` if it was never given anything."""
        return None if self == Sessions() else self._taken().rows

    def settle(self) -> None:
        """Make of the sessions that were cut off what W&B took of them; nobody may be writing them any more."""
        self.taken = self._taken()
        self.sessions = [session for session in self.sessions if session.end is not None]

    def _taken(self) -> Taken:
        taken = self.taken
        for session in self.sessions:
            if session.end is None and session.directory and session.mode == "online":
                found, rows, lines = sent(Path(session.directory)), session.rows, session.lines
                taken = Taken(max(rows, taken.rows), max(lines, taken.lines))
                if found is not None:
                    taken = Taken(
                        rows + found.rows, lines + found.lines, rows + found.most_rows, lines + found.most_lines
                    )
        return taken


def read_sessions(notes: Path) -> Sessions:
    """What was noted; nothing, where there is no note yet. After a damaged one the whole run is written anew."""
    try:
        return msgspec.json.decode((notes / "sessions.json").read_bytes(), type=Sessions)
    except FileNotFoundError:
        return Sessions()
    except ValueError:
        return Sessions([Session("", "offline", 0)])  # so that whatever is of this run counts as begun


def write_sessions(notes: Path, sessions: Sessions) -> None:
    """Note them."""
    write_json(notes / "sessions.json", sessions)


def directories(root: str, run_id: str) -> set[Path]:
    """The run's directories. The name alone could also be that of a run whose id only begins like this one's."""
    named = Path(root).glob(f"*wandb/*run-*-{run_id}*")
    return {path for path in named if all(file.stem == f"run-{run_id}" for file in path.glob("*.wandb"))}


def of_process(candidates: set[Path], pid: int) -> set[Path]:
    """Those of some directories that a process made: the SDK's log in them bears its number.

    A run of the same id in another journal may have its directories beside this one's.
    """
    return {path for path in candidates if _maker(path) == pid}


def _maker(directory: Path) -> int | None:
    try:
        with (directory / "logs" / "debug.log").open(encoding="utf-8", errors="replace") as file:
            found = re.match(r"\S+ \S+ +\w+ +[^:\[\]]+:(\d+) \[", file.readline())
    except OSError:
        return None
    return int(found[1]) if found else None


def _of_run(candidates: set[Path], created: str) -> set[Path]:
    """Those of some directories whose run began at that time, which another journal's run of this id did not."""
    found = set()
    for path in candidates:
        for file in path.glob("*.wandb"):
            with file.open("rb") as opened:
                if f'"{created}"'.encode() in opened.read(_BEGINNING):  # of its first config
                    found.add(path)
    return found


def clear_unfinished(notes: Path, root: str, run_id: str, created: str) -> Sessions:
    """Throw away what was begun offline and never finished, so that it can be written anew.

    Args:
        notes: The lane's own directory.
        root: W&B's directory.
        run_id: The run's id.
        created: When the run began, as its config says it.

    Raises:
        RetryableError: The helper process of a dead courier still writes there.
        PermanentError: An unfinished directory was uploaded by hand: W&B holds a part, nobody knows which. Or what is
            noted is no directory of this run: a journal may have been sent by somebody else.
    """
    noted = read_sessions(notes)
    kept = []
    for session in noted.sessions:
        if session.end is not None:
            kept.append(session)
            continue
        _wait_for_core(session.pid)
        if session.mode != "offline":
            if session.directory:
                kept.append(session)
            continue
        begun = {Path(session.directory)}
        if not session.directory:  # whatever came since it was about to start
            since = {path for path in directories(root, run_id) if path.name.startswith("offline-")}
            since -= set(map(Path, session.before))
            begun = _of_run(since, created) | of_process(since, session.pid)
        for directory in begun:
            if not re.fullmatch(rf"offline-run-\d+_\d+-{re.escape(run_id)}(-\d+)?", directory.name):
                raise PermanentError(f"{directory} is no directory of this run: {notes / 'sessions.json'} is damaged")
            _discard(directory)
    if len(kept) < len(noted.sessions):
        noted.sessions = kept
        write_sessions(notes, noted)
    return noted


def _discard(directory: Path) -> None:
    synced = next(directory.glob("*.wandb.synced"), None)
    if synced is not None:
        raise PermanentError(
            f"{directory} was uploaded with `wandb sync` before the run was whole: delete the run in W&B and this "
            "directory, then run `multitrack sync`"
        )
    # Deleted, not renamed: `wandb sync` takes every .wandb file that it finds.
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        raise RetryableError(f"cannot delete the unfinished {directory}")
    for link in directory.parent.glob("*"):  # latest-run and its like; the SDK makes them anew
        if link.is_symlink() and link.readlink().parts[:1] == (directory.name,):
            link.unlink()


def _wait_for_core(pid: int) -> None:
    """Wait until the helper process of a process that is gone is gone as well."""
    deadline = time.monotonic() + _FAREWELL
    while pid != os.getpid() and not _is_alive(pid) and _has_core(pid):
        if time.monotonic() > deadline:
            raise RetryableError(f"the wandb-core of process {pid}, which is gone, still runs")
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice its end does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _has_core(pid: int) -> bool:
    """Whether a wandb-core started by ``pid`` runs; where there is no /proc, it is taken to be gone."""
    wanted = b"--pid\0%d\0" % pid
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended just now, or another user's
            command = path.read_bytes()
            if b"wandb-core" in command and wanted in command:
                return True
    return False
