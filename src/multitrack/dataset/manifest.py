"""``dataset.json``, which says what belongs to a data set, and the state that the next export needs.

A data file never changes. ``dataset.json`` names the files that count; replacing it is the one step that makes an
export visible, whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from multitrack.dataset.schema import TABLES, VERSION
from multitrack.errors import ExportError
from multitrack.journal.prepared import prepared
from multitrack.security.terminal import excerpt
from multitrack.summaries.cache import Stamp

#: The file's name.
FILE: Final = "dataset.json"
_KIND: Final = "multitrack data set"


class DataSet(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``dataset.json``.

    Attributes:
        format: ``multitrack data set``.
        version: Version of the tables.
        storage: ``parquet``, or ``delta`` if each table is a Delta table.
        generation: Number of the export.
        written: Time of the export (ms since the epoch).
        runs: Number of runs.
        files: The files of each table, relative to the data set's directory; never empty. Of a Delta table, its
            directory.
        versions: The version of each Delta table.
        columns: The columns of each table, with their types.
        state: The file with the state.
    """

    format: str = _KIND
    version: int = VERSION
    storage: Literal["parquet", "delta"] = "parquet"
    generation: int
    written: int
    runs: int
    files: dict[str, list[str]]
    versions: dict[str, int] = {}
    columns: dict[str, dict[str, str]] = {}
    state: str

    def encode(self) -> bytes:
        """Encode it as indented JSON."""
        described = {one.name: {column.name: column.type for column in one.columns} for one in TABLES}
        return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(self, columns=described)), indent=2)


class RunState(msgspec.Struct, array_like=True):
    """A run in the data set, as of the last export.

    Attributes:
        number: Its number in the data set, by which files name it.
        run: Its value in the column ``run``.
        id: Its id in its journal.
        journal: Its value in the column ``journal``.
        project: The project.
        identity: What it shares only with its copies.
        directory: The run's directory.
        stamp: Sizes and times of its files.
        origin: Stamp of the manifest that it has its origin from, if that is another run's.
        heads: For each segment, a digest of its writer, and what compaction has replaced in it.
        position: Number of records read.
        status: The run's status.
        ended: Its end.
        changed: Generation in which its rows changed last.
    """

    number: int
    run: str
    id: str
    journal: str
    project: str
    identity: str
    directory: str
    stamp: Stamp
    origin: Stamp
    heads: list[str]
    position: int
    status: str
    ended: int | None
    changed: int


class FileState(msgspec.Struct, array_like=True, frozen=True):
    """A data file.

    Attributes:
        path: Its path, relative to the data set.
        table: The table.
        project: The project of all its rows.
        rows: Number of rows.
        size: Size in bytes.
        runs: Numbers of the runs with rows in it.
    """

    path: str
    table: str
    project: str
    rows: int
    size: int
    runs: list[int]


class State(msgspec.Struct, array_like=True):
    """What the next export needs.

    Attributes:
        runs: The runs.
        files: The data files, oldest first.
        retired: Files that no longer count, with the time of the export that replaced them (ms): readers of an earlier
            ``dataset.json`` may still need them.
    """

    runs: list[RunState] = []
    files: list[FileState] = []
    retired: dict[str, int] = {}


def decode(content: bytes, location: str) -> DataSet:
    """Decode ``dataset.json``.

    Raises:
        ExportError: If it is no data set, or one of a newer version.
    """
    try:
        found = msgspec.json.decode(content, type=prepared(DataSet))
    except ValueError as error:
        raise ExportError(f"cannot read {FILE} in {location}: {error}; {if_damaged(location)}") from error
    if found.format != _KIND:
        raise ExportError(f"{FILE} in {location} is of another program: {found.format!r}")
    if found.version > VERSION:
        raise ExportError(
            f"{location} has tables of version {found.version}; this release of multitrack reads version {VERSION}: "
            "update multitrack"
        )
    _check_paths((found.state, *(path for paths in found.files.values() for path in paths)), location)
    return found


def decode_state(content: bytes, location: str) -> State:
    """Decode the state of a data set.

    Raises:
        ExportError: If it is damaged.
    """
    try:
        found = msgspec.msgpack.decode(content, type=prepared(State))
    except ValueError as error:
        raise ExportError(f"cannot read the state in {location}: {error}; {if_damaged(location)}") from error
    _check_paths((file.path for file in found.files), location)
    return found


def if_damaged(location: str) -> str:
    """Return the end of a message about a file that cannot be read."""
    return f"if the data set is damaged, delete {location} and export again"


def _check_paths(paths: Iterable[str], location: str) -> None:
    """Refuse paths that lead out of the data set, which may come from somebody else.

    Raises:
        ExportError: If there is one.
    """
    for path in paths:
        if path.startswith("/") or ".." in path.split("/") or "://" in path:
            raise ExportError(f"{FILE} in {location} names a file outside of the data set: {excerpt(path)}")
