"""Look up the columns of a run, for filters; of one with a row in its journal's index without reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multitrack.errors import JournalError
from multitrack.reading.recorded_run import RecordedRun

if TYPE_CHECKING:
    from multitrack.query.columns import Column
    from multitrack.query.filters import Lookup
    from multitrack.summaries.run_index import IndexedRow


def lookup_in(run: RecordedRun) -> Lookup:
    """Create the column lookup of a run for filters, reading its files at most once; a parent has its id and name."""
    from multitrack.query.cells import ABSENT, cell  # noqa: PLC0415 - on first use: training code opens no journal
    from multitrack.reading.indexed import NOT_HELD, value_of  # noqa: PLC0415 - see above

    row = run.row
    summary = run.summary() if row is None else None

    def look(column: Column) -> Any:
        nonlocal summary
        if column.group == "metadata":
            if column.name == "parent":
                parent = run.facts.parent if row is None else row.once("parent")
                return ABSENT if parent is None else run.relatives.names(run.relatives.directory(parent))
            if row is not None and (found := metadata_of(run, row, column.name)) is not NOT_HELD:
                return ABSENT if found is None else found
        elif row is not None and (found := value_of(row, column)) is not NOT_HELD:
            return found
        if summary is None:
            summary = run.summary()
        return cell(column, run, summary)

    return look


def metadata_of(run: RecordedRun, row: IndexedRow, name: str) -> Any:
    """Return a metadata column of a run by its row; None if it has none, NOT_HELD if the summary is needed."""
    from multitrack.query.cells import of_context  # noqa: PLC0415 - see above
    from multitrack.reading.indexed import NOT_HELD, OF_ORIGIN, PLAIN  # noqa: PLC0415 - see above

    if name in PLAIN:
        return row.once(PLAIN[name])
    if name in OF_ORIGIN:
        if row.once("context"):
            return row.of_context(name)
        parent = row.once("parent")
        try:
            # the parent is read once for all of its children
            return parent and of_context(name, run.relatives.run(run.relatives.directory(parent)).origin)
        except JournalError:
            return None
    match name:
        case "run":
            return run.id
        case "parent":
            return run.parent
        case "journal":
            return run.journal
        case "ended" | "took" if row.once("status") != "killed" or not run.relatives.has_children(run.own_id):
            # the children of a killed run may go on
            created = row.once("created")
            ended = max(row.once("ended"), created)
            return ended if name == "ended" else (ended - created) / 1000
    return NOT_HELD
