"""Progress on standard error while a command reads runs, and a check of its output path."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from multitrack.errors import ConfigError
from multitrack.reading.recorded_run import RecordedRun


def check_place(path: Path) -> None:
    """Check that a file can be written, before runs are read for it.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        folder = path.absolute().parent
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


@contextmanager
def counting() -> Iterator[Callable[[int], None]]:
    """Show on a terminal's stderr how many runs were read."""
    console = Console(stderr=True, highlight=False, emoji=False)
    if not console.is_terminal or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    begun = time.monotonic()
    with console.status("reading runs") as status:
        yield lambda count: status.update(f"read {count} runs in {time.monotonic() - begun:.0f} s")


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Show on a terminal's stderr the step that a command is at."""
    console = Console(stderr=True, highlight=False, emoji=False, markup=False)
    if not console.is_terminal or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    with console.status("") as status:
        yield status.update


def counted(runs: Iterable[RecordedRun], progress: Callable[[int], None]) -> Iterator[RecordedRun]:
    """Yield the runs, reporting the count of each."""
    for count, run in enumerate(runs, 1):
        progress(count)
        yield run
