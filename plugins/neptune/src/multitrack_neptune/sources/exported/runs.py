"""The runs that neptune-exporter has written to Parquet files. PyArrow is an extra, imported when they are opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from multitrack._hints import to_install
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack_neptune.sources.attributes import records_of, run_of
from multitrack_neptune.sources.exported.files import Export, find_exports
from multitrack_neptune.sources.exported.rows import HISTOGRAMS, Rows
from multitrack_neptune.sources.fields import Fields, File
from multitrack_neptune.sources.run_values import RunValues
from multitrack_neptune.sources.stored_runs import StoredRun, StoredRuns
from multitrack_neptune.sources.times import milliseconds

_NO_END: Final = Gap("Neptune notes no end: the run counts as ended when its client was last heard of")
#: The exporter's directory of files, beside that of the Parquet files.
_FILES: Final = "files"
_KINDS: Final = {"file": "file", "file_series": "file", "file_set": "files", "artifact": "artifact"}
_SINGLE: Final = {
    "float": "float_value", "int": "int_value", "string": "string_value", "bool": "bool_value",
    "datetime": "datetime_value",
}  # fmt: skip


class ExportedRuns(StoredRuns):
    """The runs of a place.

    Args:
        place: A file, a project's directory, the exporter's data directory, or the one around it.

    Raises:
        SourceError: If there is no run, or PyArrow is missing.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(str(place))
        self._exports = find_exports(place)
        if not self._exports:
            raise SourceError(f"{place} has no Parquet files of neptune-exporter")
        try:
            import pyarrow  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise SourceError(f"{error}; reading Parquet needs PyArrow: {to_install('parquet')}") from error

    def opened(self) -> Iterator[StoredRun | Gap]:
        """Yield each run by its project and the name of its files."""
        for export in self._exports:
            sentence = export.sentence()
            if sentence is not None:
                yield Gap(sentence)
                continue
            found = _ExportedRun(export)
            if found.is_empty:
                yield Gap(f"{export.name}: {'; '.join(found.damage) or 'it has no rows'}; it was not imported")
            else:
                yield found


class _ExportedRun:
    def __init__(self, export: Export) -> None:
        self._export = export
        self._fields = Fields()
        self._absent = 0  # number of files that are not where the exporter puts them
        self.damage: list[str] = [f"part {number} is missing" for number in export.missing()]
        self.damage += [f"{path.name} was not completed, and left out" for path in export.unfinished]
        self._rows = Rows(export.parts.values())
        for row in self._rows.single(self.damage):
            self._add_field(row)
        self.is_empty = self._rows.run_id is None
        if not self.is_empty:
            self.run = self._described()

    def records(self) -> Iterator[SourceRecord]:
        """Yield the records of the run."""
        run = self.run
        yield from records_of(self._fields, run.created, self._export.name.parent)
        with contextlib.closing(RunValues()) as values:
            for path, kind, step, time, value in self._rows.series():
                called = run.created if time is None else time
                if isinstance(value, str):
                    values.text(path, step, called, value)
                elif value is not None:
                    values.number(path, step, called, value)
                else:
                    values.leave_out(path, "histograms" if kind == HISTOGRAMS else "empty texts")
            values.end()
            yield from values.records()
        yield from self._fields.gaps()
        if self._absent:
            yield Gap(f"{self._absent} files are not in {self._files()}, where the references to them point")
        for sentence in self.damage:
            yield Gap(f"{self._export.name}: {sentence}")
        yield _NO_END

    def _add_field(self, row: dict[str, Any]) -> None:
        fields, path, kind = self._fields, str(row["attribute_path"]), row["attribute_type"]
        if kind in _SINGLE:
            value = row[_SINGLE[kind]]
            if value is not None:  # else another run of the project has the field
                fields.assign(path, value)
        elif kind == "string_set":
            if row["string_set_value"] is not None:
                fields.sets[path] = dict.fromkeys(map(str, row["string_set_value"]))
        elif kind not in _KINDS:
            fields.leave_out(path, f"a value of type {kind}")
        elif row["file_value"] is not None and row["file_value"]["path"] is not None:
            step = "" if row["step"] is None else f"/{row['step'].normalize():f}"
            fields.files[f"{path}{step}"] = [self._file(str(row["file_value"]["path"]), _KINDS[kind])]

    def _file(self, path: str, kind: str) -> File:
        place = self._files() / path
        try:
            size = place.stat().st_size if place.is_file() else None
            self._absent += not place.exists()
        except (OSError, ValueError):
            size = None
            self._absent += 1
        return File(place.as_uri(), kind, size)

    def _files(self) -> Path:
        """The directory of the project's files."""
        project = self._export.name.parent
        return project.parent.parent / _FILES / project.name

    def _described(self) -> SourceRun:
        fields, rows = self._fields, self._rows
        known = {
            name: milliseconds(fields.values.get(f"sys/{name}_time")) for name in ("creation", "ping", "modification")
        }
        heard = [time for time in (known["ping"], rows.last) if time is not None]
        created = known["creation"] or rows.first or 0
        ended = max(heard) if heard else known["modification"] or created
        run_id, project = str(rows.run_id), str(rows.project)
        return run_of(fields, run_id, project, created, ended, "finished", scope=project)
