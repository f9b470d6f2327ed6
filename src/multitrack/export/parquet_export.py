"""Write the changed runs of an export as Parquet files; files that nothing touched stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from multitrack.dataset.manifest import FileState, RunState, State
from multitrack.dataset.schema import EVENTS, TABLES
from multitrack.dataset.stores import Store
from multitrack.export.changes import Change, Changes
from multitrack.export.files import BY_NAME, TableWriter, surviving
from multitrack.export.rows import RunRows
from multitrack.tables import merging
from multitrack.tables.folders import folder_name
from multitrack.tables.schema import TableSchema


class ParquetExport:
    """Writes changes into new files, without touching those that readers may be reading.

    Args:
        store: The place.
        state: The state, which :meth:`write` replaces by the new one, part by part.
        changes: The changes.
        generation: Number of the export.
    """

    def __init__(self, store: Store, state: State, changes: Changes, generation: int) -> None:
        self._store = store
        self._state = state
        self._changes = changes
        self._generation = generation
        self._runs = {known.number: known for known in state.runs}

    def write(
        self, changed: Sequence[Change], gone: Sequence[RunState], progress: Callable[[int], None]
    ) -> list[FileState]:
        """Write the rows of changed runs, and return the new files.

        Args:
            changed: The runs.
            gone: Runs whose rows are removed.
            progress: Called with the number of runs written so far.
        """
        by_project: dict[str, tuple[list[Change], list[RunState]]] = {}
        for change in changed:
            by_project.setdefault(change.state.project, ([], []))[0].append(change)
        for known in gone:
            by_project.setdefault(known.project, ([], []))[1].append(known)
            del self._runs[known.number]
        done = 0
        written: list[FileState] = []
        for project, (changes, removed) in sorted(by_project.items()):
            written += self._write_project(project, changes, removed, lambda count: progress(done + count))  # noqa: B023
            done += len(changes)
        self._state.runs = sorted(self._runs.values(), key=lambda known: known.number)
        return written

    def _write_project(
        self, project: str, changed: list[Change], removed: list[RunState], progress: Callable[[int], None]
    ) -> list[FileState]:
        folder = folder_name(project)
        writers = {table.name: TableWriter(self._store, table, project, folder, self._generation) for table in TABLES}
        try:
            for count, change in enumerate(changed, 1):
                self._runs[change.state.number] = self._write_run(change, writers)
                progress(count)
            kept = self._write_rest(project, changed, removed, writers)
            new = [file for writer in writers.values() for file in writer.close()]
        except BaseException:
            for writer in writers.values():
                writer.abandon()
            raise
        self._state.files = [*kept, *new]
        for table in TABLES:
            new += self._merge(table, project, folder)
        return new

    def _write_rest(
        self, project: str, changed: list[Change], removed: list[RunState], writers: dict[str, TableWriter]
    ) -> list[FileState]:
        """Write the other rows of the files that have rows of changed or removed runs; return the files that stay."""
        events = {table.name for table in EVENTS}
        before = [change for change in changed if not change.is_new]
        no_more = {known.number: known.run for known in removed}
        old = no_more | {change.state.number: change.state.run for change in before}
        rewritten = no_more | {change.state.number: change.state.run for change in before if not change.first}
        kept: list[FileState] = []
        for file in self._state.files:
            gone = rewritten if file.table in events else old
            if file.project != project or gone.keys().isdisjoint(file.runs):
                kept.append(file)
                continue
            rest = [number for number in file.runs if number not in gone]
            for rows in surviving(self._store, file, list(gone.values())) if rest else ():
                writers[file.table].add_table(rest, rows)
        return kept

    def _write_run(self, change: Change, writers: dict[str, TableWriter]) -> RunState:
        run, state, number = change.place.read(), change.state, change.state.number
        reader = RunRows(run, state.run, self._changes.parent_of(run), state.journal, change.first)
        for table, rows in reader.events():
            writers[table.name].add(number, rows)
        summary, of_state = reader.state()
        for table, rows in of_state.items():
            writers[table.name].add(number, rows)
        ended = run.ended(summary)
        return msgspec.structs.replace(state, position=reader.position, status=summary.status, ended=ended)

    def _merge(self, table: TableSchema, project: str, folder: str) -> list[FileState]:
        """Merge the newest files of a table if they are many and small."""
        files = [file for file in self._state.files if (file.table, file.project) == (table.name, project)]
        count = merging.to_merge([file.size for file in files], closing=False)
        if not count:
            return []
        writer = TableWriter(self._store, BY_NAME[table.name], project, folder, self._generation)
        for file in files[-count:]:
            for rows in surviving(self._store, file, ()):
                writer.add_table(file.runs, rows)
        merged = writer.close()
        replaced = {file.path for file in files[-count:]}
        self._state.files = [*(file for file in self._state.files if file.path not in replaced), *merged]
        return merged
