"""Write the changed runs of an export into Delta tables: in each commit, all rows of some runs replace those there.

So an export that is repeated after it was killed writes no row twice. ``dataset.json`` names the version of each table
that belongs to the export.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from multitrack._hints import to_install
from multitrack.dataset.damage import reading
from multitrack.dataset.manifest import DataSet, RunState, State
from multitrack.dataset.schema import TABLES
from multitrack.dataset.stores import Store
from multitrack.export.changes import Change, Changes
from multitrack.export.files import schema_of
from multitrack.export.rows import RunRows
from multitrack.tables import parquet

#: A commit has at most this many runs, or bytes of one run more.
_RUNS: Final = 500
_BYTES: Final = 64 * 1024**2
#: Files of a table from which on they are compacted.
_MANY: Final = 16


class DeltaExport:
    """Writes changes into Delta tables.

    Args:
        store: The place.
        state: The state, whose runs :meth:`write` replaces by the new ones.
        changes: The changes.
        is_first: True if the data set does not exist yet: tables that are there are of an export that was killed.

    Attributes:
        versions: The version of each table; complete after :meth:`write`.

    Raises:
        ImportError: If deltalake is not installed.
    """

    def __init__(self, store: Store, state: State, changes: Changes, is_first: bool) -> None:
        self._delta = _deltalake()
        self._store = store
        self._state = state
        self._changes = changes
        self._runs = {known.number: known for known in state.runs}
        self.versions: dict[str, int] = {}
        self.rows = 0
        if is_first:
            for table in TABLES:
                empty = pa.Table.from_pylist([], schema=schema_of(table))
                self._delta.write_deltalake(store.uri(table.name), empty, mode="overwrite", schema_mode="overwrite")

    def write(self, changed: Sequence[Change], gone: Sequence[RunState], progress: Callable[[int], None]) -> None:
        """Write the rows of changed runs.

        Args:
            changed: The runs.
            gone: Runs whose rows are removed.
            progress: Called with the number of runs written so far.
        """
        keys: list[str] = []
        chunks: dict[str, list[Any]] = {table.name: [] for table in TABLES}
        for count, change in enumerate(changed, 1):
            self._runs[change.state.number] = self._add(change, chunks)
            keys.append(change.state.run)
            if len(keys) >= _RUNS or sum(chunk.nbytes for some in chunks.values() for chunk in some) >= _BYTES:
                self._commit(keys, chunks)
                keys = []
            progress(count)
        self._commit(keys, chunks)
        for begin in range(0, len(gone), _RUNS):
            some = gone[begin : begin + _RUNS]
            self._commit([known.run for known in some], {table.name: [] for table in TABLES})
            for known in some:
                del self._runs[known.number]
        for table in TABLES:
            found = self._delta.DeltaTable(self._store.uri(table.name))
            if len(found.file_uris()) >= _MANY:
                found.optimize.compact()
            self.versions[table.name] = found.version()
        self._state.runs = sorted(self._runs.values(), key=lambda known: known.number)

    def _add(self, change: Change, chunks: dict[str, list[Any]]) -> RunState:
        run, state = change.place.read(), change.state
        reader = RunRows(run, state.run, self._changes.parent_of(run), state.journal)
        for table, rows in reader.events():
            if rows:
                chunks[table.name].append(parquet.encode(schema_of(table), rows))
        summary, of_state = reader.state()
        for table, rows in of_state.items():
            if rows:
                chunks[table.name].append(parquet.encode(schema_of(table), rows))
        ended = run.ended(summary)
        return msgspec.structs.replace(state, position=reader.position, status=summary.status, ended=ended)

    def _commit(self, keys: Sequence[str], chunks: dict[str, list[Any]]) -> None:
        """Replace the rows of some runs in every table, and clear the chunks."""
        if not keys:
            return
        listed = ", ".join("'{}'".format(key.replace("'", "''")) for key in keys)
        for table in TABLES:
            schema, some = schema_of(table), chunks[table.name]
            rows = pa.concat_tables(some) if some else pa.Table.from_pylist([], schema=schema)
            self._delta.write_deltalake(
                self._store.uri(table.name), rows, mode="overwrite", predicate=f"run IN ({listed})"
            )
            self.rows += len(rows)
            some.clear()


def file_sizes(store: Store, data: DataSet) -> dict[str, int]:
    """Return the size of each file of the Delta tables of a data set (bytes).

    Raises:
        ExportError: If a table's log is missing or damaged.
        ImportError: If deltalake is not installed.
    """
    delta = _deltalake()
    found: dict[str, int] = {}
    for table, version in data.versions.items():
        with reading(f"the table {table}", store.location):
            added = pa.table(delta.DeltaTable(store.uri(table), version=version).get_add_actions()).to_pydict()
        found |= {f"{table}/{path}": size for path, size in zip(added["path"], added["size_bytes"], strict=True)}
    return found


def _deltalake() -> Any:
    try:
        import deltalake  # noqa: PLC0415 - an extra
    except ImportError:
        raise ImportError(f"Delta tables need deltalake: {to_install('delta')}") from None
    return deltalake
