"""The segment files of one run's journal, and their locks.

A segment's file is held under an exclusive ``flock`` for as long as its writer lives. The lock belongs to the open
file: it is released however the process ends, and stays when a forked child closes its copy of the file. Where such
locks do not hold between machines, the writer also has a lease, ``000001.lease``.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from multitrack.errors import JournalError, RunInUseError
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.layout import cannot_read
from multitrack.journal.locks import locked, try_lock
from multitrack.journal.seals import lease_of, read_seal, seal_if_silent
from multitrack.journal.signs import LEASE, is_present, observe
from multitrack.records import Segment

log = logging.getLogger("multitrack")

#: Maximum seconds to wait for a lock still held by a process that the dead writer had just forked.
FORKED_LIMIT: Final = 2.0
#: Seconds between looks at a lease.
_LOOK: Final = 0.2
_NAME: Final = re.compile(r"[0-9]{6,}\.jsonl")


def segment_path(directory: Path, number: int) -> Path:
    """The file of segment ``number``, counted from 1, of the run in ``directory``."""
    return directory / f"{number:06}.jsonl"


def last_segment(directory: Path) -> int:
    """The number of the newest segment; 0 if there is none."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - a Path for each of thousands of segments is slow
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return 0
    return max((int(name[: -len(".jsonl")]) for name in names if _NAME.fullmatch(name)), default=0)


def is_held(path: Path) -> bool:
    """Return True if a live process holds this segment open for writing, or one that is not given up yet."""
    return is_present(lease_of(path)) or (_is_locked(path) and read_seal(path) is None)


def _is_locked(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return not try_lock(fd, fcntl.LOCK_SH, needed=False)
    finally:
        os.close(fd)


def is_live(directory: Path) -> bool:
    """Return True if a live process writes the run in ``directory``."""
    return _held(directory) is not None


def _held(directory: Path) -> Path | None:
    names = sorted(filter(_NAME.fullmatch, os.listdir(directory)))  # noqa: PTH208 - glob compiles patterns, 0.5 ms
    return next((path for path in map(directory.joinpath, names) if is_held(path)), None)


def _held_by(directory: Path) -> str | None:
    """The process that writes the run, in words; empty if it is this process, None if there is none.

    A child that the writer forked to run a program also has the lock until it executes that program. If the writer is
    dead, wait for that, at most :data:`FORKED_LIMIT` seconds. A writer on another machine that has only a lease is
    waited for, too, until it gives a sign of life, or is given up.
    """
    deadline = time.monotonic() + FORKED_LIMIT
    told = False
    while (held := _held(directory)) is not None:
        with held.open("rb") as file:
            first = decode_or_none(file.readline())
        if not isinstance(first, Segment):
            return "another live process"
        mine = first.pid == os.getpid() and first.host == host_name()
        writer = "" if mine else f"process {first.pid} on {first.host}"
        if _is_locked(held):
            if first.host != host_name() or _is_alive(first.pid) or time.monotonic() >= deadline:
                return writer
        elif (sealed := seal_if_silent(held, f"process {os.getpid()} on {host_name()}")) is False:
            return writer
        elif sealed:
            log.warning(
                "multitrack: run %s: %s has given no sign of life for %g s; it counts as dead",
                directory.name, writer, LEASE,
            )  # fmt: skip
            continue
        elif not told:
            told = True
            log.warning("multitrack: %s", _waits(writer, directory))
        time.sleep(0.005 if _is_locked(held) else _LOOK)
    return None


def _waits(writer: object, directory: Path) -> str:
    return f"waiting up to {LEASE:g} s whether {writer} still writes run {directory.name}"


def end_silent(directories: Iterable[Path], notice: Callable[[str], None]) -> None:
    """Wait until the writers of runs have given a sign of life, or are given up, which closes their segments.

    Only writers on other machines are waited for, if their locks do not count here, at most for the time of a lease.

    Args:
        directories: The directories of the runs.
        notice: Called with a sentence for the user if that takes time.
    """
    waiting = {each: held for each in directories if (held := _held(each)) is not None and not _is_locked(held)}
    told = False
    while waiting:
        for directory, held in list(waiting.items()):
            found = observe(lease_of(held))
            if found is not None and found.is_free:
                with contextlib.suppress(RunInUseError), opening(directory):
                    pass  # which has sealed the segment
            if found is None or found.is_free:
                del waiting[directory]
                if (another := _held(directory)) is not None and not _is_locked(another):
                    waiting[directory] = another
            elif found.lives:
                del waiting[directory]
            elif not told:
                told = True
                notice(_waits(found, directory))
        time.sleep(_LOOK if waiting else 0)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        pass
    return True


def host_name() -> str:
    """This machine's name; bytes that are not valid UTF-8 become visible escapes."""
    return os.fsencode(os.uname().nodename).decode("utf-8", "backslashreplace")


def check_readable(directory: Path, count: int) -> None:
    """Check that the first ``count`` segments of the run in ``directory`` can be read.

    Raises:
        JournalError: If one cannot be read.
    """
    for number in range(1, count + 1):
        path = segment_path(directory, number)
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            raise cannot_read(path, error) from error


def cannot_write(directory: Path, trouble: OSError) -> JournalError:
    """Convert an OSError to a JournalError that names the run."""
    reason = f"cannot write the journal of run {directory.name}: {trouble.strerror}"
    return JournalError(trouble.errno, reason, str(directory))


@contextlib.contextmanager
def opening(directory: Path) -> Iterator[None]:
    """Hold the lock for opening a segment of this run.

    Raises:
        RunInUseError: If a live process writes the run.
        JournalError: If the directory cannot be read or written.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(directory / "lock"))
            writer = _held_by(directory)
        except OSError as error:
            raise cannot_write(directory, error) from error
        if writer == "":
            raise RunInUseError(
                f"run {directory.name} is open in this process already ({directory}): use that run "
                "(multitrack.active_run(), or the one that start_run returned), or end() it first"
            )
        if writer:
            raise RunInUseError(f"run {directory.name} is being written by {writer} ({directory})")
        yield
