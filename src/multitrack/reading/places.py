"""Journals that are read as one: their labels, and the runs that several of them have.

A run's directory says which journal it belongs to. A label, a short name of that directory, says it in lists. A run's
id is shown alone as long as it is unique, and as ``LABEL:ID`` if different runs of several journals share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from multitrack.errors import JournalError
from multitrack.journal.deletion import is_deleted
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.layout import is_run, names_in, runs_directory
from multitrack.journal.manifest import read_manifest
from multitrack.journal.run_ids import text_of_time, time_in_id
from multitrack.journal.segments import segment_path
from multitrack.reading.archived import ArchivedRuns
from multitrack.reading.labels import Place
from multitrack.reading.recorded_run import RecordedRun, Relatives
from multitrack.records import Segment
from multitrack.summaries.columns import MISSING
from multitrack.summaries.run_columns import RUN
from multitrack.summaries.run_index import RunIndex


class Entry(NamedTuple):
    """A run in the list of several journals.

    Attributes:
        scan: The list of its journal.
        name: The name of the run's directory.
        changed: Change time of that directory (ns).
        row: The run's row in the journal's index, if it has one.
        shared: True if a different run of another journal has the same id.
    """

    scan: Scan
    name: str
    changed: int
    row: int | None
    shared: bool = False

    @property
    def place(self) -> Place:
        """The run's journal."""
        return self.scan.place

    @property
    def directory(self) -> Path:
        """The run's directory."""
        return runs_directory(self.place.directory) / self.name

    @property
    def is_deleted(self) -> bool:
        """True if the run is marked as deleted."""
        return is_deleted(self.directory) if self.row is None else self.row in self.scan.run_index.deleted

    def read(self, relatives: Mapping[Place, Relatives]) -> RecordedRun:
        """Return the run.

        Args:
            relatives: The lookups of the listing.

        Raises:
            JournalError: If the run is damaged or cannot be read.
        """
        if self.row is None:
            return RecordedRun(self.directory, relatives=relatives[self.place])
        return RecordedRun.with_row(self.name, self.scan.run_index, self.row, relatives[self.place])


class Scan(NamedTuple):
    """All runs of one journal, sorted by their names.

    Lists beside each other, because a tuple for each of a hundred thousand runs takes longer to make than to list them.

    Attributes:
        place: The journal.
        run_index: Its index.
        names: The name of each run's directory.
        changes: Change time of each directory (ns).
        rows: The row of each run in the index; None if it has none.
    """

    place: Place
    run_index: RunIndex
    names: list[str]
    changes: list[int]
    rows: list[int | None]

    def entries(self) -> Iterator[Entry]:
        """Yield the runs."""
        for name, changed, row in zip(self.names, self.changes, self.rows, strict=True):
            yield Entry(self, name, changed, row)

    def parents(self) -> Iterator[tuple[str, bool, str | None]]:
        """Yield the id of each run, and its parent; False in between if the run must be read for that."""
        known = self.run_index.column(RUN, "parent")
        for name, row in zip(self.names, self.rows, strict=True):
            parent = None if row is None else known[row]
            yield name, row is not None, None if parent is MISSING else parent


class Listing(NamedTuple):
    """The runs of one journal or several.

    Attributes:
        scans: All runs of each journal, copies as well.
        apart: The runs, each once, in no particular order; None if there is one journal.
        copies: The labels of the journals that have a copy of a run, by the run's id; of runs in more than one.
    """

    scans: Sequence[Scan]
    apart: list[Entry] | None
    copies: dict[str, list[str]]

    def entries(self) -> Iterable[Entry]:
        """Return the runs, each once, in no particular order."""
        return self.scans[0].entries() if self.apart is None else self.apart

    def relatives(self) -> dict[Place, Relatives]:
        """Return the relatives of the runs of each journal."""
        shared = {entry.name for entry in self.apart or () if entry.shared}
        return {
            scan.place: Relatives(scan.place.directory, scan.place.label, shared, scan.parents) for scan in self.scans
        }

    def oldest_first(self) -> Iterable[Entry]:
        """Return the runs in the order of their creation.

        Generated ids begin with the creation time, so only the manifests of runs with other ids are read.
        """
        if self.apart is None and all(map(time_in_id, self.scans[0].names)):
            return self.scans[0].entries()  # sorted by name
        return [entry for _, entry in sorted(((_order(entry), entry) for entry in self.entries()), key=itemgetter(0))]

    def find(self, run_id: str, label: str) -> RecordedRun | None:
        """Return the one run of an id that the journal of this label has, or any journal if it is empty."""
        found = [entry for entry in self.entries() if entry.name == run_id and label in ("", entry.place.label)]
        if not found and label and label in self.copies.get(run_id, ()):
            found = [entry for entry in self.entries() if entry.name == run_id]
        if len(found) != 1:
            return None
        return found[0].read(self.relatives())


def _order(entry: Entry) -> tuple[str, bool, str, str]:
    """Return what runs are sorted by: creation time, parents before children, then id and journal."""
    name, label = entry.name, entry.place.label
    made = time_in_id(name)
    if made is not None:
        return made, False, name, label
    try:
        if entry.row is None:
            facts = RecordedRun(entry.directory).facts
            return text_of_time(facts.created), facts.parent is not None, name, label
        row = entry.scan.run_index.at(entry.row)
        return text_of_time(row.once("created")), row.once("parent") is not None, name, label
    except (JournalError, ValueError, OverflowError):  # damaged, or an impossible creation time
        return "", False, name, label


def list_runs(
    places: Sequence[Place], indexes: Mapping[Place, RunIndex], archived: Mapping[Place, ArchivedRuns]
) -> Listing:
    """List the runs of journals, each once.

    Of a run that several journals have a copy of, the copy with the most records counts.

    Args:
        places: The journals.
        indexes: The index of each journal.
        archived: The runs of those that are archives, of which damaged ones are left out.

    Raises:
        JournalError: If a journal cannot be read.
    """
    scans = [_scan(place, indexes[place], archived.get(place)) for place in places]
    if len(scans) == 1:
        return Listing(scans, None, {})
    by_id: dict[str, list[Entry]] = {}
    for scan in scans:
        for entry in scan.entries():
            by_id.setdefault(entry.name, []).append(entry)
    entries: list[Entry] = []
    copies: dict[str, list[str]] = {}
    for run_id, found in by_id.items():
        if len(found) == 1:
            entries += found
            continue
        apart = _each_once(found)
        if len(apart) < len(found):
            copies[run_id] = [entry.place.label for entry in found]
        entries += [entry._replace(shared=len(apart) > 1) for entry in apart]
    return Listing(scans, entries, copies)


def _scan(place: Place, index: RunIndex, archived: ArchivedRuns | None) -> Scan:
    """List the runs of a journal; the directory of a run that has a row is known to be a run's."""
    runs = runs_directory(place.directory)
    names = names_in(runs)
    changes, rows = index.scan(names)
    others = [
        i
        for i, row in enumerate(rows)
        if (archived is not None and archived.leaves_out(names[i], changes[i]))
        or (row is None and not is_run(f"{runs}/{names[i]}"))
    ]
    for i in reversed(others):
        del names[i], changes[i], rows[i]
    return Scan(place, index, names, changes, rows)


def _each_once(found: list[Entry]) -> list[Entry]:
    """Leave out copies of the same run; runs that only share the id stay."""
    kept: list[tuple[Entry, tuple[object, ...] | None]] = []
    for entry in found:
        history = _history(entry.directory)
        for i, (other, known) in enumerate(kept):
            if history is None or known is None or not _is_same(history, known):
                continue
            if (len(history), _records(entry.directory)) > (len(known), _records(other.directory)):
                kept[i] = entry, history
            break
        else:
            kept.append((entry, history))
    return [entry for entry, _ in kept]


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
