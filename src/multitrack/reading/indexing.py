"""Keep the indexes of journals: read them again when replaced, and add the runs that a listing had to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multitrack.reading.archived import ArchivedRuns
from multitrack.reading.delivery import settled_lanes
from multitrack.reading.labels import Place
from multitrack.reading.locating import archive_in
from multitrack.reading.places import Entry, Listing, list_runs
from multitrack.reading.recorded_run import RecordedRun
from multitrack.summaries.run_index import IndexUpdate, RunIndex


class Indexing:
    """The indexes of some journals.

    Args:
        places: The journals.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._indexes: dict[Place, RunIndex] = {}
        archives = ((place, archive_in(place.directory)) for place in places)
        self._archived = {place: ArchivedRuns(archive) for place, archive in archives if archive is not None}

    def list(self) -> Listing:
        """List the runs of the journals.

        Raises:
            JournalError: If a journal cannot be read.
        """
        for place in self._places:
            index = self._indexes.get(place)
            if index is None or not index.is_current():
                self._indexes[place] = RunIndex(place.directory)
        return list_runs(self._places, self._indexes, self._archived)

    def additions(self, listing: Listing) -> Additions:
        """Begin to add the runs of a listing that have no rows."""
        return Additions(listing, {place: IndexUpdate(index) for place, index in self._indexes.items()})


class Additions:
    """The runs of a listing that are added to the indexes.

    Args:
        listing: The listing.
        updates: The update of each journal's index.
    """

    def __init__(self, listing: Listing, updates: Mapping[Place, IndexUpdate]) -> None:
        self._listing = listing
        self._updates = updates

    def add(self, entry: Entry, run: RecordedRun) -> None:
        """Add a run that was read, if it has ended and has no row."""
        update, cached = self._updates[entry.place], run.cached
        if cached is not None and update.takes(entry.changed, cached):
            more = settled_lanes(run.directory, cached, update.is_settled)
            update.add(entry.name, entry.changed, cached, deleted=entry.is_deleted, more=more)

    def write(self) -> None:
        """Write each index that has enough new rows."""
        for scan in self._listing.scans:
            self._updates[scan.place].write({row for row in scan.rows if row is not None})
