"""Run the command of a prepared directory, and find the run that it recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from multitrack.errors import RunError
from multitrack.journal.manifest import origin_of
from multitrack.journal.provenance import REPRODUCES
from multitrack.reading.reader import JournalReader
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reproduce.data import still_missing
from multitrack.reproduce.script import to_edit
from multitrack.reproduce.workspace import COMMAND, DATA, Marker, marker_of, write_marker
from multitrack.security.terminal import safe

#: The variable in which the script finds the interpreter. Default: that of this process.
_PYTHON: Final = "PYTHON"
_STDERR: Final = 2
#: Seconds that an interrupted command has before it is terminated; its run waits for trackers at the end.
_PATIENCE: Final = 30.0


def check_ready(run: RecordedRun, directory: Path) -> Marker:
    """Check that the command of a prepared directory can be started; return the directory's marker.

    Raises:
        RunError: If the run has not ended, the directory was prepared for another one, the command was started there
            before, its script must be edited first, or its data is not there.
    """
    if run.summary().status == "running":
        raise RunError(f"run {run.id} is still running; its metrics can be compared when it has ended")
    marker = marker_of(directory)
    if marker is None or marker.run != run.id:
        other = "no run" if marker is None else f"run {marker.run[:80]}"
        raise RunError(f"{directory} was prepared for {other}, not for {run.id}; choose another one with --into")
    if marker.started:
        raise RunError(
            f"the command was started in {directory} before, and its results are there; prepare another directory "
            "with --into"
        )
    if (problem := to_edit(directory / COMMAND)) is not None:
        raise RunError(f"edit {directory / COMMAND}, then use --run again: {problem}")
    for one in still_missing(marker.data):
        how = f"`bash {directory / DATA}` restores it" if one.restore else one.note or "bring it there"
        raise RunError(f"the data {safe(one.name)} is not at {safe(str(one.path))}; {how}, then use --run again")
    return marker


def execute(marker: Marker, directory: Path) -> int:
    """Run the command of a prepared directory; its output goes to standard error. Returns its exit status."""
    write_marker(directory, msgspec.structs.replace(marker, started=True))
    process = subprocess.Popen(
        ["bash", COMMAND], cwd=directory, env={_PYTHON: sys.executable, **os.environ},
        stdin=subprocess.DEVNULL, stdout=_STDERR,
    )  # fmt: skip
    try:
        return process.wait()
    except KeyboardInterrupt:  # which a terminal sends to the command as well
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        raise


def reproductions(reader: JournalReader, run: RecordedRun) -> set[str]:
    """The ids of the runs that reproduce a run, or the run whose process it is of."""
    return {found.id for found in reader.runs(tags={REPRODUCES: _root(run).name})}


def counterpart(reader: JournalReader, run: RecordedRun, earlier: set[str]) -> RecordedRun:
    """Find the new run that stands for a run: of a trial, the same trial of the new search.

    Args:
        reader: The journal.
        run: The original.
        earlier: The ids of earlier reproductions.

    Raises:
        RunError: If there is none, or it is not known which.
    """
    root = _root(run)
    new = sorted(reproductions(reader, run) - earlier)
    if not new:
        raise RunError(
            f"the command recorded no run that reproduces {root.name}: it ended before start_run, or its runs have a "
            "parent= of their own, or MULTITRACK_DISABLED is set"
        )
    original_root = reader.run(root.name)
    found = _same(original_root, [original_root], [reader.run(one) for one in new])
    for ancestor in _path(reader, run, root.name):
        siblings = original_root.relatives.children(ancestor.manifest.parent or "")
        children = found.relatives.children(found.id)
        found = _same(ancestor, [one for one in siblings if one.manifest.context is None], children)
    return found


def _root(run: RecordedRun) -> Path:
    """The directory of the run that a process began with: the nearest with an origin of its own."""
    return origin_of(run.directory, run.manifest)[0]


def _path(reader: JournalReader, run: RecordedRun, root: str) -> list[RecordedRun]:
    """The runs from below the root down to a run."""
    path: list[RecordedRun] = []
    while run.id != root:
        path.insert(0, run)
        run = reader.run(run.manifest.parent or root)
    return path


def _same(run: RecordedRun, siblings: list[RecordedRun], candidates: list[RecordedRun]) -> RecordedRun:
    """The candidate with a run's name; else the one at its place among as many siblings, as names may be random."""
    named = [one for one in candidates if one.facts.name == run.facts.name]
    if len(named) == 1:
        return named[0]
    if not named and len(siblings) == len(candidates):
        return candidates[[one.id for one in siblings].index(run.id)]
    raise RunError(
        f"which run reproduces {run.id} ({safe(run.facts.name)}) is not known: {len(named)} of {len(candidates)} new "
        "runs have its name; name the runs of the training"
    )
