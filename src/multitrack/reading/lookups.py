"""Look up the columns of a run, for filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multitrack.reading.recorded_run import RecordedRun

if TYPE_CHECKING:
    from multitrack.query.columns import Column
    from multitrack.query.filters import Lookup


def lookup_in(run: RecordedRun) -> Lookup:
    """Create the column lookup of a run for filters, reading its files once; a parent has both its id and name."""
    from multitrack.query.cells import cell  # noqa: PLC0415 - on first use: training code opens no journal

    summary = run.summary()

    def look(column: Column) -> Any:
        if (column.group, column.name) == ("metadata", "parent") and (parent := run.facts.parent):
            return run.relatives.names(run.directory.parent / parent)
        return cell(column, run, summary)

    return look
