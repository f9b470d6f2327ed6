"""Make the directory of a run, and leave nothing of it where the run does not start."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from multitrack.errors import JournalError
from multitrack.journal.segments import segment_path


@contextlib.contextmanager
def made(directory: Path) -> Iterator[None]:
    """Make a run's directory, and those above it that are missing, for their owner alone; not if what follows fails.

    A directory that was there keeps its permissions: it may be one that the user shares, such as ``.`` or a home.
    """
    runs, journal = directory.parent, directory.parent.parent
    made: list[Path] = []
    try:
        try:
            for path in (*reversed(journal.parents), journal, runs, directory, directory / "lanes"):
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=0o777 if path in journal.parents else 0o700)
                    made.append(path)
                if path in (runs, directory):
                    _check_owner(path)
        except OSError as error:
            reason = (
                f"cannot write the journal {journal}: {error.strerror}; "
                'choose another place with journal = "…" in the config or MULTITRACK_JOURNAL'
            )
            raise JournalError(error.errno, reason, str(journal)) from error
        yield
    except BaseException:
        _remove(made, directory)
        raise


def _remove(made: Sequence[Path], directory: Path) -> None:
    """Remove the directories that were made for a run that did not start, as far as nobody else uses them."""
    if directory in made:
        for name in ("lock", "manifest.json", segment_path(directory, 1).name):
            with contextlib.suppress(OSError):  # it did not come so far
                (directory / name).unlink()
    for path in reversed(made):
        with contextlib.suppress(OSError):  # no longer empty: somebody else's run is there
            path.rmdir()


def _check_owner(path: Path) -> None:
    """In a directory that several users may write, another one may have put something in a run's place."""
    found = path.lstat()
    if found.st_uid != os.geteuid() and (os.geteuid() != 0 or stat.S_ISLNK(found.st_mode)):
        raise PermissionError(errno.EPERM, f"{path} belongs to another user")
