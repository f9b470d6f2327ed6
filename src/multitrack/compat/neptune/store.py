"""All that one run records and knows of its fields, for its handlers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multitrack.compat.media import has_html, is_image
from multitrack.compat.neptune.exceptions import MissingFieldException, TypeDoesNotSupportAttributeException
from multitrack.compat.neptune.fields import Fields
from multitrack.compat.neptune.files import FileRecorder
from multitrack.compat.neptune.points import Row, number_rows, text_rows
from multitrack.compat.neptune.recording import FieldRecorder, leaves
from multitrack.compat.neptune.series import SeriesRecorder
from multitrack.compat.neptune.types import (
    Artifact,
    Boolean,
    Datetime,
    File,
    FileSeries,
    FileSet,
    Float,
    FloatSeries,
    Integer,
    String,
    StringSeries,
    StringSet,
)
from multitrack.compat.numbers import number_of
from multitrack.compat.omissions import Omissions
from multitrack.compat.paths import nested
from multitrack.recording.run import Run


class Store:
    """The fields of a run, and what records them.

    Args:
        run: The run to record into.
        fields: Its fields so far.
        directory: Where it can be read; None for a run that is not on disk.
    """

    def __init__(self, run: Run, fields: Fields, directory: Path | None) -> None:
        self.run = run
        self.fields = fields
        self.omissions = Omissions(run, "neptune")
        self.recorder = FieldRecorder(run, fields, self.omissions)
        self.files = FileRecorder(run, fields, self.recorder, self.omissions)
        self.series = SeriesRecorder(run, fields, self.files, self.omissions)
        self._directory = directory

    def assign(self, path: str, value: Any) -> None:
        """Record a value of any type below a path."""
        with self.omissions.attempt("assign"):
            plain: dict[str, Any] = {}
            for name, leaf in leaves(path, value):
                if not name:
                    self.omissions.leave_out("assign", "a value that is no mapping needs a path")
                elif not self._assign_typed(name, leaf):
                    number = None if isinstance(leaf, (bool, int, float)) else number_of(leaf)
                    plain[name] = leaf if number is None else number
            if plain:
                self.recorder.assign(plain)

    def pop(self, path: str) -> None:
        """Forget a field or namespace."""
        if self.fields.remove(path):
            self.omissions.leave_out("pop", "what was recorded stays in the journal")
        else:
            raise MissingFieldException(f"the run has no field {path!r}")

    def fetch(self, path: str) -> Any:
        """The value of a field, or the values of a namespace as nested dicts.

        Raises:
            MissingFieldException: If there is neither.
            TypeDoesNotSupportAttributeException: If it is a series.
        """
        field = self.fields.get(path)
        if field is None:
            found = {name: each for name, each in self.fields.below(path) if not each.is_series}
            if not found and next(self.fields.below(path), None) is None:
                raise MissingFieldException(f"the run has no field {path!r}")
            return nested((name, _value(each.value)) for name, each in found.items())
        if field.is_series:
            raise TypeDoesNotSupportAttributeException(f"{path!r} is a series: use fetch_last() or fetch_values()")
        return _value(field.value)

    def rows(self, path: str) -> list[Row]:
        """The values of a series, from the journal; only the last one of a run that is not on disk.

        Raises:
            MissingFieldException: If there is no such series.
        """
        field = self.fields.get(path)
        if field is None or not field.is_series:
            raise MissingFieldException(f"the run has no series {path!r}")
        if self._directory is None:
            return [Row(max(field.step, 0), field.value, 0)]
        return (text_rows if field.kind == "String Series" else number_rows)(self._directory, path)

    def _assign_typed(self, path: str, value: Any) -> bool:
        """Record a value of one of Neptune's types; return False if it is none."""
        if isinstance(value, File) or is_image(value) or has_html(value):
            self.files.upload(path, value)
        elif isinstance(value, (Boolean, Datetime, Float, Integer, String)):
            self.recorder.assign({path: value.value})
        elif isinstance(value, (FloatSeries, StringSeries, FileSeries)):
            self.series.extend(path, value.values, value.steps, value.timestamps)
        elif isinstance(value, (StringSet, set, frozenset)):
            self.recorder.add(path, value.values if isinstance(value, StringSet) else sorted(map(str, value)))
        elif path == "sys/tags" and isinstance(value, (list, tuple, str)):
            self.recorder.add(path, [value] if isinstance(value, str) else value)
        elif isinstance(value, FileSet):
            self.files.upload_files(path, value.value)
        elif isinstance(value, Artifact):
            self.omissions.leave_out("assign", "an artifact by its hash names no place")
        else:
            return isinstance(value, Mapping)  # an empty one
        return True


def _value(value: Any) -> Any:
    return set(value) if isinstance(value, dict) else value
