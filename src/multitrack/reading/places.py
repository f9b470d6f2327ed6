"""Journals that are read as one: their labels, and the runs that several of them have.

A run's directory says which journal it belongs to. A label, a short name of that directory, says it in lists. A run's
id is shown alone as long as it is unique, and as ``LABEL:ID`` if different runs of several journals share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from multitrack.errors import JournalError
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.layout import run_directories
from multitrack.journal.manifest import read_manifest
from multitrack.journal.run_ids import text_of_time, time_in_id
from multitrack.journal.segments import segment_path
from multitrack.reading.labels import Place
from multitrack.reading.recorded_run import RecordedRun, Relatives
from multitrack.records import Segment


class Entry(NamedTuple):
    """A run in the list of several journals.

    Attributes:
        directory: The run's directory.
        place: The journal.
        shared: True if a different run of another journal has the same id.
    """

    directory: Path
    place: Place
    shared: bool


class Listing(NamedTuple):
    """The runs of one journal or several.

    Attributes:
        entries: The runs, each once, in no particular order.
        copies: The labels of the journals that have a copy of a run, by the run's id; of runs in more than one.
        places: The journals.
    """

    entries: list[Entry]
    copies: dict[str, list[str]]
    places: Sequence[Place]

    def relatives(self) -> dict[Place, Relatives]:
        """Return the relatives of the runs of each journal."""
        shared = {entry.directory.name for entry in self.entries if entry.shared}
        return {place: Relatives(place.directory, place.label, shared) for place in self.places}

    def oldest_first(self) -> list[Entry]:
        """Return the runs in the order of their creation.

        Generated ids begin with the creation time, so only the manifests of runs with other ids are read.
        """
        order = {}
        for entry in self.entries:
            directory = entry.directory
            made = time_in_id(directory.name)
            if made is not None:
                order[entry] = (made, False, directory.name, entry.place.label)
                continue
            try:
                facts = RecordedRun(directory).facts
                began = text_of_time(facts.created)
                order[entry] = (began, facts.parent is not None, directory.name, entry.place.label)
            except (JournalError, ValueError, OverflowError):  # damaged, or an impossible creation time
                order[entry] = ("", False, directory.name, entry.place.label)
        return sorted(order, key=order.__getitem__)

    def find(self, run_id: str, label: str) -> RecordedRun | None:
        """Return the one run of an id that the journal of this label has, or any journal if it is empty."""
        found = [
            entry
            for entry in self.entries
            if entry.directory.name == run_id and (not label or entry.place.label == label)
        ]
        if not found and label and label in self.copies.get(run_id, ()):
            found = [entry for entry in self.entries if entry.directory.name == run_id]
        if len(found) != 1:
            return None
        return RecordedRun(found[0].directory, relatives=self.relatives()[found[0].place])


def list_runs(places: Sequence[Place]) -> Listing:
    """List the runs of journals, each once.

    Of a run that several journals have a copy of, the copy with the most records counts.

    Raises:
        JournalError: If a journal cannot be read.
    """
    by_id: dict[str, list[tuple[Place, Path]]] = {}
    for place in places:
        for directory in run_directories(place.directory):
            by_id.setdefault(directory.name, []).append((place, directory))
    entries: list[Entry] = []
    copies: dict[str, list[str]] = {}
    for run_id, found in by_id.items():
        if len(found) == 1:
            entries.append(Entry(found[0][1], found[0][0], False))
            continue
        apart = _each_once(found)
        if len(apart) < len(found):
            copies[run_id] = [place.label for place, _ in found]
        entries += [Entry(directory, place, len(apart) > 1) for place, directory in apart]
    return Listing(entries, copies, places)


def _each_once(found: list[tuple[Place, Path]]) -> list[tuple[Place, Path]]:
    """Leave out copies of the same run; runs that only share the id stay."""
    kept: list[tuple[Place, Path, tuple[object, ...] | None]] = []
    for place, directory in found:
        history = _history(directory)
        for i, (_, other, known) in enumerate(kept):
            if history is None or known is None or not _is_same(history, known):
                continue
            if (len(history), _records(directory)) > (len(known), _records(other)):
                kept[i] = place, directory, history
            break
        else:
            kept.append((place, directory, history))
    return [(place, directory) for place, directory, _ in kept]


def _is_same(history: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Return True if one is the beginning of the other: a copy that went on in one place only."""
    least = min(len(history), len(other))
    return history[:least] == other[:least]


def _history(directory: Path) -> tuple[object, ...] | None:
    """Return the start of a run and of each of its writers, which no two runs share; None if it cannot be read.

    Compaction keeps them.
    """
    try:
        history: list[object] = [read_manifest(directory).created]
        number = 1
        while (path := segment_path(directory, number)).exists():
            with path.open("rb") as file:
                first = decode_or_none(file.readline())
            if not isinstance(first, Segment):
                return None
            history.append((first.time, first.host, first.pid))
            number += 1
    except (JournalError, OSError):
        return None
    return tuple(history) if len(history) > 1 else None


def _records(directory: Path) -> int:
    try:
        return RecordedRun(directory).summary().records
    except JournalError:
        return -1
