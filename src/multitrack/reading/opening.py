"""Open journals for reading: one or several, a data set, or an archive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from multitrack.errors import ArchiveError, ExportError, JournalError
from multitrack.reading.labels import labelled
from multitrack.reading.locating import located
from multitrack.reading.reader import JournalReader

Journals = str | Path | Mapping[str, str | Path] | Iterable[str | Path]
"""One journal; or several: a list of directories, or a mapping of labels to directories."""


def open_journal(path: Journals | None = None) -> JournalReader:
    """Open a journal for reading, or several as one.

    In a list of several journals, a run's id is ``LABEL:ID`` if a different run of another journal has the same id. A
    run that several of them have a copy of counts once. See docs/reading.md.

    Args:
        path: The journal's directory, or one with a journal in ``.multitrack``; default: the config's. Or a data set
            of ``multitrack export``, or an archive of ``multitrack push``, a directory or a URL; runs of data sets,
            and of archives at URLs, are copied into a cache. Or several: a list of them, or a mapping
            ``{"label": directory}``. Without a label, a journal's is its directory's name.

    Raises:
        JournalError: If there is no journal, or one of them cannot be read; the message names each of those.
        ArchiveError, ExportError: If the one archive or data set that is named cannot be read.
        ValueError: If the list is empty.
    """
    if path is None or isinstance(path, (str, Path)):
        return JournalReader(labelled(located(path)))
    wanted: list[tuple[str | Path, str | None]]
    if isinstance(path, Mapping):
        wanted = [(directory, label) for label, directory in path.items()]
    else:
        wanted = [(directory, None) for directory in path]
    if not wanted:
        raise ValueError("no journal is named")
    found: list[tuple[Path, str | None]] = []
    troubles: list[str] = []
    for directory, label in wanted:
        try:
            found += located(directory, label)
        except (ArchiveError, ExportError, JournalError) as error:
            troubles.append(str(error))
    if troubles:
        raise JournalError("; ".join(troubles))
    return JournalReader(labelled(found))
