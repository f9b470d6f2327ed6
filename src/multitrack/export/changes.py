"""Which runs changed since the last export, and how each is called in the data set."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from multitrack.dataset.manifest import RunState, State
from multitrack.errors import JournalError
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.segments import segment_path
from multitrack.reading.locating import LEFT_OUT
from multitrack.reading.recorded_run import RecordedRun, Relatives
from multitrack.records import Segment
from multitrack.summaries.cache import Stamp, stamp_of

log = logging.getLogger("multitrack")


class RunPlace(NamedTuple):
    """Where a run is, without what was read of it: the runs of an export may be many.

    Attributes:
        directory: The run's directory.
        relatives: The lookup of its listing.
    """

    directory: Path
    relatives: Relatives

    @classmethod
    def of(cls, run: RecordedRun) -> RunPlace:
        """Return the place of a run."""
        return cls(run.directory, run.relatives)

    def read(self) -> RecordedRun:
        """Read the run.

        Raises:
            JournalError: If it cannot be read.
        """
        return RecordedRun(self.directory, relatives=self.relatives)


class Change(msgspec.Struct, frozen=True):
    """A run that is new or changed.

    Attributes:
        place: Where the run is.
        state: Its state in the data set once the export is done, but for what only reading it shows.
        first: Position from which on its events are new; 0: all of them replace those that are there.
        is_new: True if the data set has no rows of it.
    """

    place: RunPlace
    state: RunState
    first: int
    is_new: bool


class Changes:
    """Compares runs with the state of a data set.

    Args:
        state: The state of the last export; new runs are added to it.
        generation: Number of the export.
    """

    def __init__(self, state: State, generation: int) -> None:
        self._state = state
        self._generation = generation
        self._by_directory = {known.directory: known for known in state.runs}
        self._by_identity: dict[str, list[RunState]] = {}
        for known in state.runs:
            self._by_identity.setdefault(known.identity, []).append(known)
        self._keys = {known.run for known in state.runs}
        self._places = {(known.journal, known.id) for known in state.runs}
        self._seen: set[int] = set()
        self._number = max((known.number for known in state.runs), default=0)

    def of(self, places: Iterable[RunPlace]) -> list[Change]:
        """Return the changes of runs; an unchanged run costs a few system calls.

        A run that cannot be read is left out with a warning; its rows of an earlier export stay.
        """
        found: dict[int, Change] = {}
        for place in places:
            try:
                change = self._change(place.read())
            except JournalError as error:
                run_id = place.directory.name
                log.warning("multitrack: %s", error, extra={LEFT_OUT: run_id})
                self._seen.update(known.number for known in self._state.runs if known.id == run_id)
                continue
            if change is not None:
                found[change.state.number] = change
        return list(found.values())

    def gone(self) -> list[RunState]:
        """Return the runs of the data set that were not among those given to :meth:`of`."""
        return [known for known in self._state.runs if known.number not in self._seen]

    def parent_of(self, run: RecordedRun) -> str | None:
        """Return a run's value in the column ``parent``: that of its parent, or the parent's id if it is not there."""
        parent = run.facts.parent
        if parent is None:
            return None
        known = self._by_directory.get(str(run.directory.parent / parent))
        return run.parent if known is None else known.run

    def _change(self, run: RecordedRun) -> Change | None:
        directory = str(run.directory)
        stamp, origin = stamp_of(run.directory), _origin_stamp(run)
        known = self._by_directory.get(directory)
        if known is not None and known.stamp == stamp and known.origin == origin and not _may_differ(known, run):
            self._seen.add(known.number)
            return None
        heads = _heads(run.directory, len(stamp) - 1)
        identity = _identity(run, heads)
        known, first = self._same(identity, directory, heads), 0
        if known is None:
            known = self._add(run, identity)
        elif _is_beginning(known, stamp, heads, directory) and not _may_differ(known, run):
            self._seen.add(known.number)  # a copy, of which the data set has all and perhaps more
            self._by_directory[directory] = known
            return None
        elif _only_grew(known, stamp, heads):
            first = known.position
        self._seen.add(known.number)
        is_new = known.changed == 0
        state = msgspec.structs.replace(
            known, directory=directory, stamp=stamp, origin=origin, heads=heads, changed=self._generation
        )
        self._by_directory[directory] = state
        others = [one for one in self._by_identity.get(identity, ()) if one.number != state.number]
        self._by_identity[identity] = [*others, state]
        return Change(RunPlace.of(run), state, first, is_new)

    def _same(self, identity: str, directory: str, heads: list[str]) -> RunState | None:
        """Return the state of a run or of a copy of it; copies that went on differently are different runs."""
        found = [one for one in self._by_identity.get(identity, ()) if _goes_on(_writers(one.heads), _writers(heads))]
        return next((one for one in found if one.directory == directory), found[0] if found else None)

    def _add(self, run: RecordedRun, identity: str) -> RunState:
        """Give a run a number, and names that no other run of the data set has."""
        facts, self._number = run.facts, self._number + 1
        journal = _free(run.journal, lambda label: (label, facts.id) in self._places)
        key = run.id
        if key in self._keys:
            key = _free(f"{journal}:{facts.id}", self._keys.__contains__)
        self._keys.add(key)
        self._places.add((journal, facts.id))
        return RunState(
            number=self._number, run=key, id=facts.id, journal=journal, project=facts.project, identity=identity,
            directory=str(run.directory), stamp=[], origin=[], heads=[], position=0, status="", ended=None, changed=0,
        )  # fmt: skip


def _free(name: str, is_taken: Callable[[str], bool]) -> str:
    number, found = 1, name
    while is_taken(found):
        number += 1
        found = f"{name}-{number}"
    return found


def _may_differ(known: RunState, run: RecordedRun) -> bool:
    """Return True if a run may have changed though its files did not: its process, or that of a child, is gone."""
    if known.status == "running":
        return run.summary().status != "running"
    return known.status == "killed" and run.ended() != known.ended


def _origin_stamp(run: RecordedRun) -> Stamp:
    """The stamp of the parent's manifest, from where a child has its origin; facts may be added to it for a while."""
    facts = run.facts
    if facts.context is not None or facts.parent is None:
        return []
    try:
        found = os.stat(run.directory.parent / facts.parent / "manifest.json")  # noqa: PTH116 - as in stamp_of
    except OSError:
        return []
    return [(found.st_size, found.st_mtime_ns)]


def _heads(directory: Path, count: int) -> list[str]:
    """Return for each segment a digest of its writer, and behind a colon what compaction has replaced in it."""
    found = []
    for number in range(1, count + 1):
        try:
            with segment_path(directory, number).open("rb") as file:
                line = file.readline()
        except OSError as error:
            raise JournalError(error.errno, f"cannot read {segment_path(directory, number)}: {error}") from error
        first, writer, kinds = decode_or_none(line), line, ""
        if isinstance(first, Segment):
            writer, kinds = msgspec.json.encode([first.time, first.host, first.pid]), ",".join(first.compacted)
        found.append(f"{hashlib.sha256(writer).hexdigest()[:16]}:{kinds}")
    return found


def _writers(heads: list[str]) -> list[str]:
    return [head.partition(":")[0] for head in heads]


def _goes_on(writers: list[str], others: list[str]) -> bool:
    """Return True if one is the beginning of the other."""
    least = min(len(writers), len(others))
    return writers[:least] == others[:least]


def _identity(run: RecordedRun, heads: list[str]) -> str:
    """Return what a run shares only with its copies: its id, its start, and its first writer."""
    facts = run.facts
    return hashlib.sha256(
        msgspec.json.encode([facts.id, facts.project, facts.created, *_writers(heads[:1])])
    ).hexdigest()[:32]


def _only_grew(known: RunState, stamp: Stamp, heads: list[str]) -> bool:
    """Return True if a run's records are those of the last export and more behind them.

    Compaction replaces records of closed segments, and makes these smaller.
    """
    count = len(known.heads)
    if not count or heads[:count] != known.heads or len(stamp) < len(known.stamp):
        return False
    sizes, earlier = [size for size, _ in stamp[1:]], [size for size, _ in known.stamp[1:]]
    return sizes[: count - 1] == earlier[: count - 1] and sizes[count - 1] >= earlier[count - 1]


def _is_beginning(known: RunState, stamp: Stamp, heads: list[str], directory: str) -> bool:
    """Return True if a copy in another place has a beginning of the records of the last export, or all of them."""
    count = len(heads)
    if known.directory == directory or not count or heads != known.heads[:count]:
        return False
    sizes, earlier = [size for size, _ in stamp[1:]], [size for size, _ in known.stamp[1:]]
    return sizes[: count - 1] == earlier[: count - 1] and sizes[count - 1] <= earlier[count - 1]
