"""Make the directory of a run, and remove it again if the run does not start."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from multitrack.errors import JournalError
from multitrack.journal.run_files import FOLDER
from multitrack.journal.segments import segment_path


@contextlib.contextmanager
def made(directory: Path) -> Iterator[None]:
    """Make a run's directory and its missing parents; remove them if the block raises.

    The journal and the directories in it are private to their owner. An existing directory keeps its permissions: it
    may be shared, such as ``.`` or a home.

    Raises:
        JournalError: If a directory cannot be made, or the run's belongs to another user.
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
    """Remove the directories made for a run that did not start, unless another run uses them."""
    if directory in made:
        if (directory / FOLDER).is_dir():
            import shutil  # noqa: PLC0415 - rarely used

            shutil.rmtree(directory / FOLDER, ignore_errors=True)
        for name in ("lock", "manifest.json", segment_path(directory, 1).name):
            with contextlib.suppress(OSError):  # not written yet
                (directory / name).unlink()
    for path in reversed(made):
        with contextlib.suppress(OSError):  # not empty: another run is there
            path.rmdir()


def _check_owner(path: Path) -> None:
    """Refuse a path of another user, who may have planted it in a directory that several users can write."""
    found = path.lstat()
    if found.st_uid != os.geteuid() and (os.geteuid() != 0 or stat.S_ISLNK(found.st_mode)):
        raise PermissionError(errno.EPERM, f"{path} belongs to another user")
