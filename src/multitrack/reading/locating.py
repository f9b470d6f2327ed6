"""Find the directory of a journal, or of the copies of a data set's or an archive's runs."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from multitrack.config import Settings, load_config
from multitrack.errors import ExportError, JournalError
from multitrack.journal.layout import ARCHIVE_MARK, cannot_read, runs_directory

if TYPE_CHECKING:
    from multitrack.archive import Archive

#: Attribute of log records about unreadable runs that are left out; its value is the run id.
LEFT_OUT: Final = "multitrack_left_out"


def archive_in(directory: Path) -> Archive | None:
    """Return the archive in a directory; None if there is none."""
    if not (directory / ARCHIVE_MARK).is_file():
        return None
    from multitrack.archive import Archive  # noqa: PLC0415 - training code opens no journal

    return Archive(directory)


def _archived(path: str | Path) -> Path | None:
    """The directory of a journal with the runs of the archive at a URL; None if there is no archive."""
    from multitrack.archive import is_archive, pulled_journal  # noqa: PLC0415 - training code opens no journal

    return pulled_journal(str(path), LEFT_OUT) if is_archive(path) else None


def _none_there(url: str, error: ExportError) -> ExportError:
    """Add to the error on a URL without a data set that it has no archive, and perhaps no bucket, either."""
    from multitrack.archive import Archive  # noqa: PLC0415 - as above

    bucket = Archive(url).missing_bucket()
    also = "" if bucket is None else f"; there is no bucket {bucket}"
    return ExportError(f"{error}; nor is there an archive of runs, which `multitrack push` makes{also}")


def located(path: str | Path | None, label: str | None = None) -> list[tuple[Path, str | None]]:
    """The directory of a journal that can be read, or of copies of the journals that a data set was made of."""
    if path is not None:
        from multitrack.dataset.reading import is_data_set, require_arrow  # noqa: PLC0415 - training code opens no journal

        if is_data_set(path):
            if (archive := _archived(path)) is not None:
                return [(archive, label or str(path).rstrip("/").rpartition("/")[2])]
            require_arrow()
            from multitrack.dataset.journal_copy import copied_journals  # noqa: PLC0415 - it needs PyArrow
            from multitrack.dataset.stores import is_url, open_store  # noqa: PLC0415 - as above

            try:
                found = copied_journals(path)
            except ExportError as error:
                if not is_url(path) or open_store(path).current() is not None:
                    raise
                raise _none_there(str(path), error) from error
            if label is not None:
                return [(place, label if len(found) == 1 else f"{label}/{inner}") for place, inner in found]
            return [*found]
    directory = Path(load_config().settings.journal if path is None else path).absolute()
    runs = runs_directory(directory)
    try:
        there = runs.is_dir()
        if not there and path is not None and (inside := runs_directory(directory / Settings().journal)).is_dir():
            directory, runs, there = inside.parent, inside, True
        if there and not os.access(runs, os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cannot_read(runs, error) from error
    if not there:
        file = ", which is a file" if directory.is_file() else ""
        raise JournalError(f"no journal in {directory}{file}; name one with --journal, or start a run")
    if (pushed := archive_in(directory)) is not None:
        pushed.exists()  # raises if its mark is damaged, or of a later version
    return [(directory, label)]
