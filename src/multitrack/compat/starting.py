"""Start or continue a run under an id of another SDK's, also if another process writes it."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from multitrack.errors import RunInUseError
from multitrack.journal.layout import is_run, run_directories, runs_directory
from multitrack.journal.manifest import read_manifest
from multitrack.journal.run_ids import is_run_id
from multitrack.recording.run import Run
from multitrack.recording.start import start_run

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
#: Longest beginning of a given id that an id of ours keeps.
_KEPT: Final = 50


class Started(NamedTuple):
    """An open run.

    Attributes:
        run: The run.
        is_child: True if another process writes the run of the id, and this one is its child.
    """

    run: Run
    is_child: bool = False


def start_or_join(run_id: str | None, **arguments: Any) -> Started:
    """Start a run, or continue the one of the id.

    A run of a journal has one writer, and processes of one training may share an id in other SDKs. The later ones
    record into children.

    Args:
        run_id: The id; None for a new one.
        arguments: Of :func:`multitrack.start_run`.

    Raises:
        MultitrackError: As :func:`multitrack.start_run`, but not for a run that is written elsewhere.
    """
    try:
        return Started(start_run(run_id=run_id, **arguments))
    except RunInUseError:
        return Started(start_run(parent=run_id, **{**arguments, "project": None}), is_child=True)


def run_id_of(given: str, project: str | None, journal: Path) -> tuple[str, bool]:
    """The run id for an id of a program's own, and whether the journal has such a run.

    The same text gives the same id. In other SDKs an id is unique in its project, so that it means another run in
    another project.
    """
    text = str(given)
    run_id = text if is_run_id(text) else f"{_UNSAFE.sub('-', text).strip('-_')[:_KEPT] or 'run'}-{_short(text)}"
    directory = runs_directory(journal) / run_id
    if not is_run(directory):
        return run_id, False
    if project is None or read_manifest(directory).project == project:
        return run_id, True
    run_id = f"{run_id[:_KEPT]}-{_short(project)}"
    return run_id, is_run(runs_directory(journal) / run_id)


def find_run(given: str, tracker: str, journal: Path) -> Path | None:
    """The directory of the run with an id of ours, or with this id in a tracker that it was imported from."""
    directory = runs_directory(journal) / str(given)
    if is_run_id(str(given)) and is_run(directory):
        return directory
    if runs_directory(journal).is_dir():
        for each in run_directories(journal):
            origin = read_manifest(each).imported
            if origin is not None and (origin.tracker, origin.id) == (tracker, given):
                return each
    return None


def _short(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}"
