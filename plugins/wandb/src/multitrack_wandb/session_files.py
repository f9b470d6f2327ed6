"""Track W&B's directories of a run: which ones are ours, and which are complete.

A directory's ``.wandb`` file is complete only after the SDK has finished the run. Before, the SDK writes it with delay,
and a kill loses the rest. So an unfinished offline directory is deleted and written again.
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
from multitrack.journal.prepared import prepared
from multitrack_wandb.held import sent

#: Bytes at the start of a file that contain the first config.
_BEGINNING: Final = 32 * 1024
#: Timeout in seconds for a helper process to notice that its parent died.
_FAREWELL: Final = 10.0


class Session(msgspec.Struct, omit_defaults=True):
    """One session, in which the run was open in W&B.

    Attributes:
        directory: The SDK's directory; empty before the start.
        mode: ``online`` or ``offline``.
        pid: The id of the process that had it open.
        end: Ordinal below which every record is in W&B; ``None`` if the session is not finished.
        url: URL of the run's page.
        before: Directories of the run that existed before the start.
        rows: Number of the run's rows in W&B at the start.
        lines: Number of the run's lines in W&B at the start.
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
    """The known amount of the run in W&B, without asking the server.

    Attributes:
        rows: Minimum number of rows.
        lines: Minimum number of lines.
        most_rows: Maximum number of rows; ``None`` if unknown.
        most_lines: Maximum number of lines; ``None`` if unknown.
        is_unlogged: True if an interrupted session sent more, and the SDK did not log how much (before 0.25).
    """

    rows: int = 0
    lines: int = 0
    most_rows: int | None = None
    most_lines: int | None = None
    is_unlogged: bool = False


class Sessions(msgspec.Struct):
    """The sessions of a run, oldest first, kept in the lane's own directory.

    Attributes:
        sessions: The finished sessions, and interrupted ones that are not settled yet.
        taken: The amount of the finished and settled sessions in W&B.
        figures: Whether the figure with this ordinal has a row, as far as that was decided.
    """

    sessions: list[Session] = []
    taken: Taken = msgspec.field(default_factory=Taken)
    figures: dict[int, bool] = {}

    @property
    def held(self) -> int:
        """The position up to which W&B holds everything."""
        return max((session.end for session in self.sessions if session.end is not None), default=0)

    @property
    def url(self) -> str | None:
        """The URL of the run's page, or None if unknown."""
        return next((session.url for session in reversed(self.sessions) if session.url), None)

    def begun(self, session: Session) -> Sessions:
        """Return these with one more session, which is about to begin."""
        return Sessions([*self.sessions, session], self.taken, self.figures)

    def acknowledged(self) -> int | None:
        """Return the number of rows that the server has acknowledged; ``None`` if nothing was ever sent."""
        return None if self == Sessions() else self._taken().rows

    def settle(self) -> None:
        """Add the interrupted sessions to ``taken``, and forget them. Nothing may be writing them any more."""
        self.taken = self._taken()
        self.sessions = [session for session in self.sessions if session.end is not None]

    def _taken(self) -> Taken:
        taken = self.taken
        for session in self.sessions:
            if session.end is None and session.directory and session.mode == "online":
                found, rows, lines = sent(Path(session.directory)), session.rows, session.lines
                taken = Taken(max(rows, taken.rows), max(lines, taken.lines), is_unlogged=True)
                if found is not None:
                    taken = Taken(
                        rows + found.rows, lines + found.lines, rows + found.most_rows, lines + found.most_lines
                    )
        return taken


def read_sessions(notes: Path) -> Sessions:
    """Read the noted sessions; empty if there is no note. After a damaged note the whole run is written again."""
    try:
        return msgspec.json.decode((notes / "sessions.json").read_bytes(), type=prepared(Sessions))
    except FileNotFoundError:
        return Sessions()
    except ValueError:
        return Sessions([Session("", "offline", 0)])  # so that every directory of this run counts as unfinished


def write_sessions(notes: Path, sessions: Sessions) -> None:
    """Write the sessions to the lane's directory."""
    write_json(notes / "sessions.json", sessions)


def directories(root: str, run_id: str) -> set[Path]:
    """Return the run's directories. Checks their ``.wandb`` files, since this id may be a prefix of another one."""
    named = Path(root).glob(f"*wandb/*run-*-{run_id}*")
    return {path for path in named if all(file.stem == f"run-{run_id}" for file in path.glob("*.wandb"))}


def of_process(candidates: set[Path], pid: int) -> set[Path]:
    """Return the directories that a process created, by the process id in the SDK's log.

    A run with the same id in another journal may have its directories in the same place.
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
    """Return the directories whose run began at this time, unlike a run with the same id in another journal."""
    found = set()
    for path in candidates:
        for file in path.glob("*.wandb"):
            with file.open("rb") as opened:
                if f'"{created}"'.encode() in opened.read(_BEGINNING):  # in its first config
                    found.add(path)
    return found


def clear_unfinished(notes: Path, root: str, run_id: str, created: str) -> Sessions:
    """Delete unfinished offline directories, so that they can be written again.

    Args:
        notes: The lane's own directory.
        root: W&B's directory.
        run_id: The run's id.
        created: The run's start time, as in its config.

    Raises:
        RetryableError: The helper process of a dead courier is still writing.
        PermanentError: An unfinished directory was uploaded by hand, so that W&B holds an unknown part. Or the noted
            directory is not one of this run: the journal may come from an untrusted source.
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
        if not session.directory:  # directories created since the note before the start
            since = {path for path in directories(root, run_id) if path.name.startswith("offline-")}
            since -= set(map(Path, session.before))
            begun = _of_run(since, created) | of_process(since, session.pid)
        for directory in begun:
            if not re.fullmatch(rf"offline-run-\d+_\d+-{re.escape(run_id)}(-\d+)?", directory.name):
                raise PermanentError(
                    f"{directory} is not a directory of this run: {notes / 'sessions.json'} is damaged"
                )
            _discard(directory)
    if len(kept) < len(noted.sessions):
        noted.sessions = kept
        write_sessions(notes, noted)
    return noted


def _discard(directory: Path) -> None:
    synced = next(directory.glob("*.wandb.synced"), None)
    if synced is not None:
        raise PermanentError(
            f"{directory} was uploaded with `wandb sync` before the run was complete: delete the run in W&B and this "
            "directory, then run `multitrack sync`"
        )
    # Deleted, not renamed: `wandb sync` uploads every .wandb file that it finds.
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        raise RetryableError(f"cannot delete the unfinished {directory}")
    for link in directory.parent.glob("*"):  # latest-run and so on; the SDK creates them again, maybe just now
        with contextlib.suppress(FileNotFoundError):
            if link.is_symlink() and link.readlink().parts[:1] == (directory.name,):
                link.unlink()


def _wait_for_core(pid: int) -> None:
    """Wait until the helper process of an ended process has ended, too."""
    deadline = time.monotonic() + _FAREWELL
    while pid != os.getpid() and not _is_alive(pid) and _has_core(pid):
        if time.monotonic() > deadline:
            raise RetryableError(f"the wandb-core of the ended process {pid} is still running")
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    """Return True if a process is running; a zombie is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _has_core(pid: int) -> bool:
    """Return True if a wandb-core started by ``pid`` is running; False without /proc."""
    wanted = b"--pid\0%d\0" % pid
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended just now, or another user's
            command = path.read_bytes()
            if b"wandb-core" in command and wanted in command:
                return True
    return False
