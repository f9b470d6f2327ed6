"""The fields of a run, as its program sees them: a value, a set, a file or the last entry of a series for each path."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Final, Literal

from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Lines

Kind = Literal[
    "Boolean", "Datetime", "Float", "Integer", "String", "Object", "String Set", "File", "File Set", "Artifact",
    "Float Series", "String Series", "File Series",
]  # fmt: skip
"""The type of a field. An object is a list, ``None`` or anything else that Neptune has no type for."""

#: The field of a run's labels.
TAGS: Final = "sys/tags"
#: A tag of this value is a label; that of a removed label has the other.
SET, REMOVED = "true", "false"
_TEXT: Final = re.compile(r"([^\s:]+): (.*)", re.DOTALL)


@dataclasses.dataclass
class Field:
    """A field.

    Attributes:
        kind: Its type.
        value: Its value; the last entry of a series; a dict, whose keys are the members, for a set.
        step: Of a series: the last step.
    """

    kind: Kind
    value: Any
    step: int = -1

    @property
    def is_series(self) -> bool:
        """True if entries are appended to it."""
        return self.kind.endswith("Series")


class Fields:
    """The fields by path."""

    def __init__(self) -> None:
        self._fields: dict[str, Field] = {}

    def get(self, path: str) -> Field | None:
        """The field of a path, if there is one."""
        return self._fields.get(path)

    def __setitem__(self, path: str, field: Field) -> None:
        self._fields[path] = field

    def series(self, path: str, kind: Kind) -> Field:
        """The series of a path, which is made if there is none; a field of another kind is replaced."""
        field = self._fields.get(path)
        if field is None or not field.is_series:
            field = self._fields[path] = Field(kind, None)
        return field

    def members(self, path: str) -> dict[str, None]:
        """The members of a set, which is made if there is none."""
        field = self._fields.get(path)
        if field is None or field.kind != "String Set":
            field = self._fields[path] = Field("String Set", {})
        members: dict[str, None] = field.value
        return members

    def below(self, path: str) -> Iterator[tuple[str, Field]]:
        """Yield the fields of a namespace, with the rest of their paths."""
        prefix = f"{path}/" if path else ""
        for name, field in list(self._fields.items()):
            if name.startswith(prefix):
                yield name.removeprefix(prefix), field

    def remove(self, path: str) -> bool:
        """Remove a field, or the fields of a namespace; return True if there was one."""
        found = [path] if path in self._fields else [f"{path}/{name}" for name, _ in self.below(path)]
        for name in found:
            del self._fields[name]
        return bool(found)


def kind_of(value: Any) -> Kind:
    """The type that a plain value has as a field."""
    for kind, name in ((bool, "Boolean"), (int, "Integer"), (float, "Float"), (str, "String")):
        if isinstance(value, kind):
            return name  # type: ignore[return-value]
    return "Object"


def recorded_fields(run: RecordedRun) -> Fields:
    """The fields of a run that an earlier process recorded, or that was imported."""
    fields = Fields()
    for path, value in run.get_params().items():
        fields[path] = Field(kind_of(value), value)
    summary = run.summary()
    series = run.get_all_series()
    for path, number in summary.metrics.items():
        if path not in series:
            fields[path] = Field(kind_of(number), number)
    for path, found in series.items():
        if len(found.steps):
            fields[path] = Field("Float Series", found.values[-1], int(found.steps[-1]))
    for path, text in summary.tags.items():
        above, slash, member = path.rpartition("/")
        if text == SET:
            fields.members(above if slash else TAGS)[member] = None
        elif text != REMOVED:
            fields[path] = Field("String", text)
    for reference in summary.artifacts:
        fields[reference.name] = Field("Artifact" if reference.kind == "artifact" else "File", reference.uri)
    for record in run.records():
        if isinstance(record, Lines) and record.stream == "log":
            for line in record.lines:
                if match := _TEXT.fullmatch(line):
                    fields.series(match[1], "String Series").value = match[2]
    return fields
