"""Copy the runs of a data set into journals in the user's cache directory, which everything that reads runs can read.

Only runs that changed since the last copy are copied. What a data set does not have, such as the reasons of invalid
calls and the state of deliveries, the copies lack as well.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from multitrack.dataset.cache import COPIED, SOURCE, cache_directory
from multitrack.dataset.manifest import FileState, RunState
from multitrack.dataset.reading import OpenDataSet
from multitrack.dataset.run_records import RunRecords
from multitrack.dataset.schema import TABLES
from multitrack.errors import ExportError
from multitrack.journal.locks import locked
from multitrack.journal.run_ids import is_run_id
from multitrack.security.directories import private_directory
from multitrack.security.terminal import excerpt
from multitrack.tables import parquet
from multitrack.tables.folders import folder_name
from multitrack.tables.schema import Row

#: Runs that are copied at once; their rows are in memory.
_RUNS: Final = 200


def copied_journals(location: str | Path) -> list[tuple[Path, str]]:
    """Copy a data set, as far as it changed, and return the directory and the label of each journal.

    Several processes may copy at once: one does, and the others wait.

    Raises:
        ExportError: If the data set cannot be read.
        OSError: If the cache cannot be written.
    """
    source = OpenDataSet(location)
    state = source.state()
    for one in state.runs:
        if not is_run_id(one.id):  # which becomes a directory's name; a data set may come from somebody else
            raise ExportError(f"{source.location} has a run with an invalid id: {excerpt(one.id)}")
    cache = private_directory(cache_directory("data-sets") / hashlib.sha256(source.location.encode()).hexdigest()[:32])
    with locked(cache / "lock"):
        index = _read_index(cache / COPIED)
        known = {one.number: one for one in state.runs}
        copied = {number: key for number, key in index.items() if number in known}
        for number in index.keys() - known.keys():
            copied.pop(number, None)
        if source.data.generation < max((changed for changed, _ in index.values()), default=0):
            copied = {}  # another data set is in its place
        wanted = [one for one in state.runs if copied.get(one.number) != (one.changed, one.identity)]
        for begin in range(0, len(wanted), _RUNS):
            some = wanted[begin : begin + _RUNS]
            for one, records in _read(source, some, state.files):
                _place(records, _directory(cache, one), cache)
                copied[one.number] = one.changed, one.identity
            _write_index(cache / COPIED, copied)
        _remove_others(cache, state.runs)
        if not (cache / SOURCE).exists():
            (cache / SOURCE).write_text(source.location)
    labels = dict.fromkeys(one.journal for one in state.runs)
    found = [(cache / folder_name(label), label) for label in labels]
    if not found:
        (cache / "empty" / "runs").mkdir(parents=True, exist_ok=True)
        found = [(cache / "empty", folder_name(source.location.rsplit("/", 1)[-1]))]
    return found


def _read_index(path: Path) -> dict[int, tuple[int, str]]:
    """The runs that were copied: their number, the generation in which they changed, and their identity."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=dict[int, tuple[int, str]])
    except (OSError, ValueError):
        return {}


def _write_index(path: Path, index: dict[int, tuple[int, str]]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(msgspec.msgpack.encode(index))
    draft.replace(path)


def _read(
    source: OpenDataSet, runs: Sequence[RunState], files: Sequence[FileState]
) -> Iterator[tuple[RunState, RunRecords]]:
    """Read the rows of some runs."""
    by_key = {one.run: one for one in runs}
    keys, numbers = sorted(by_key), {one.number for one in runs}
    rows: dict[str, dict[str, list[Row]]] = {key: {table.name: [] for table in TABLES} for key in keys}
    for table in TABLES:
        paths = [file.path for file in files if file.table == table.name and not numbers.isdisjoint(file.runs)]
        for row in parquet.rows(table, source.rows(table, keys, paths)):
            rows[str(row[0])][table.name].append(row)
    for key, one in by_key.items():
        yield one, RunRecords(rows.pop(key))


def _directory(cache: Path, run: RunState) -> Path:
    return cache / folder_name(run.journal) / "runs" / run.id


def _place(records: RunRecords, target: Path, cache: Path) -> None:
    """Write a run beside its place, then move it there."""
    draft = cache / f".{target.name}.{secrets.token_hex(4)}" / target.name
    draft.mkdir(parents=True, mode=0o700)
    try:
        records.write(draft)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if target.exists():
            target.rename(draft.parent / "old")
        draft.rename(target)
        records.cache(target)
    finally:
        shutil.rmtree(draft.parent)


def _remove_others(cache: Path, runs: Sequence[RunState]) -> None:
    """Delete runs that are not in the data set, and drafts of a process that was killed."""
    kept = {_directory(cache, one) for one in runs}
    for entry in cache.iterdir():
        if entry.name.startswith(".") and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
    for directory in cache.glob("*/runs/*"):
        if directory not in kept:
            shutil.rmtree(directory, ignore_errors=True)
