"""A run that multitrack delivered: undo the names and stand-ins of :mod:`multitrack_neptune.fields`."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, Final

from multitrack.hookspecs import SourceRecord, SourceRun
from multitrack.records import (
    ArtifactRef,
    Metric,
    ObjectText,
    Params,
    Tags,
    number_from_text,
    number_to_json,
)
from multitrack_neptune.names import name_of
from multitrack_neptune.sources.offline.directories import Operation
from multitrack_neptune.sources.offline.numbered import NumberedValues
from multitrack_neptune.sources.offline.operation_fields import WHOLE, OperationFields
from multitrack_neptune.sources.offline.series import Entry, entries_of
from multitrack_neptune.sources.steps import Steps
from multitrack_neptune.sources.time_order import TimeOrder
from multitrack_neptune.sources.times import milliseconds

RUN_ID: Final = "multitrack/run_id"
_COMPANION: Final = re.compile(r"(.*?)(?:~([a-z]+))?", re.DOTALL)
_KINDS: Final = {bool: "bool", int: "int", float: "float", str: "str"}
#: Type of a param that was an object; Neptune has its text alone.
_OBJECT: Final = "object"


class DeliveredRun:
    """A run of multitrack's.

    Args:
        fields: Its fields.
        container: Its id in Neptune.
    """

    def __init__(self, fields: OperationFields, container: str) -> None:
        self._fields = fields
        self._container = container

    def run(self) -> SourceRun:
        """The facts of the run."""
        text = self._text
        status: Any = self._fields.values.get("multitrack/status")
        created = milliseconds(text("multitrack/started"))
        return SourceRun(
            id=self._container,
            project=text("multitrack/project") or "",
            name=text("sys/name") or "",
            created=0 if created is None else created,
            ended=milliseconds(text("multitrack/ended")),
            status=status if status in ("finished", "failed", "killed") else "running",
            group=text("multitrack/group"),
            notes=text("sys/description"),
            user=text("multitrack/user"),
            host=text("sys/hostname"),
            program=text("source_code/entrypoint"),
            command=_command(text("multitrack/command")),
            commit=text("source_code/commit"),
            branch=text("source_code/branch"),
            remote=text("source_code/remote"),
            run_id=text(RUN_ID),
            parent_run_id=text("multitrack/parent"),
        )

    def records(self, operations: Iterable[Operation]) -> Iterator[SourceRecord]:
        """Yield params, tags and references at the run's start, then values by time, then simple metrics."""
        run = self.run()
        yield from self._params(run.created)
        tags = {name: self._text(path) or "" for path, name in self._names("tags")}
        if tags:
            yield Tags(time=run.created, values=tags)
        yield from self._references(run.created)
        with contextlib.closing(TimeOrder()) as order:
            self._add_series(operations, order)
            yield from order.records()
        simple = self._simple_metrics()
        if simple:
            yield Metric(time=run.created if run.ended is None else run.ended, values=simple)

    def _add_series(self, operations: Iterable[Operation], order: TimeOrder) -> None:
        steps = Steps()
        with contextlib.closing(NumberedValues()) as lists, contextlib.closing(NumberedValues()) as lines:
            for operation in operations:
                root, name, companion = _parts(operation.path)
                entries: Iterator[Entry] = entries_of(operation)
                if root == "metrics":
                    for value, step, time in entries:
                        order.point(name, time, steps.whole(name, step), _number(value), rank=int(bool(companion)))
                elif root == "lists":
                    for value, step, time in entries:
                        lists.add(name, step or 0, time, value)
                elif root == "logs":
                    for value, step, time in entries:
                        lines.add("", step or 0, time, value, name)
            for name, _, time, value, _ in lists.rows():
                order.item(name, time, _number(value))
            for time, text, stream in _joined(lines.rows()):
                order.line(time, text, stream)

    def _params(self, time: int) -> Iterator[Params]:
        values: dict[str, Any] = {}
        types: dict[str, Any] = {}
        objects: dict[str, ObjectText] = {}
        for path, name in self._names("parameters"):
            value = self._fields.values[path]
            whole = self._whole(path)
            if isinstance(value, str) and whole is not None:
                if value.endswith(f"… ({len(whole)} characters, whole in {WHOLE})"):
                    value = whole
                else:  # the text of an object, of which a journal shows the beginning
                    objects[name] = ObjectText(_OBJECT, whole)
            kind = self._fields.values.get(f"{path}~type")
            values[name] = value if kind is None else _untyped(str(value), kind)
            types[name] = _KINDS.get(type(value), "str") if kind is None else kind
        if values:
            yield Params(time=time, values=values, types=types, source="neptune", objects=objects)

    def _references(self, time: int) -> Iterator[ArtifactRef]:
        for path, files in self._fields.files.items():
            root, name, _ = _parts(path)
            if root == "artifacts":
                size = self._fields.values.get(f"{path}~size")
                yield ArtifactRef(
                    time=time, name=name, uri=files[-1].place, kind=self._text(f"{path}~kind") or "file",
                    role="input" if self._text(f"{path}~role") == "input" else "output",
                    digest=self._text(f"{path}~digest"), version=self._text(f"{path}~version"),
                    size=int(size) if isinstance(size, (int, float)) else None,
                )  # fmt: skip

    def _simple_metrics(self) -> dict[str, int | float | str]:
        found: dict[str, int | float | str] = {}
        for path, value in self._fields.values.items():
            root, name, companion = _parts(path)
            if root == "summary" and isinstance(value, (int, float, str)):
                found[name] = _number(value) if companion else value
        return found

    def _names(self, root: str) -> Iterator[tuple[str, str]]:
        """Yield the paths of a namespace that are no companions, and the names that they stand for."""
        for path in self._fields.values:
            found, name, companion = _parts(path)
            if found == root and not companion:
                yield path, name

    def _text(self, path: str) -> str | None:
        """A field's whole text; None if there is none."""
        whole = self._whole(path)
        return self._fields.text(path) if whole is None else whole

    def _whole(self, path: str) -> str | None:
        parts = self._fields.parts.get(f"{path}{WHOLE}")
        return None if parts is None else "".join(parts)


@functools.lru_cache(maxsize=4096)
def _parts(path: str) -> tuple[str, str, str]:
    """Namespace, name and companion's word of a path."""
    root, _, rest = path.partition("/")
    match = _COMPANION.fullmatch(rest)
    base, companion = match.groups() if match is not None else (rest, None)
    return root, name_of(base), companion or ""


def _joined(rows: Iterator[tuple[str, float, int, Any, str]]) -> Iterator[tuple[int, str, str]]:
    """Yield time, text and stream of each line: the whole part of a number is the line's, the rest orders its parts."""
    before: int | None = None
    time, text, stream = 0, "", ""
    for _, number, moment, part, name in rows:
        if int(number) == before:
            text += part
            continue
        if before is not None:
            yield time, text, stream
        before, time, text, stream = int(number), moment, part, name
    if before is not None:
        yield time, text, stream


def _number(value: float | str) -> int | float:
    return number_from_text(value) if isinstance(value, str) else value


def _untyped(text: str, kind: Any) -> Any:
    """A param's value as the journal has it, from its text."""
    if kind == "none":
        return None
    if kind == "list":
        return json.loads(text)
    return number_to_json(number_from_text(text)) if kind in {"int", "float"} else text


def _command(text: str | None) -> list[str]:
    try:
        return shlex.split(text or "")
    except ValueError:
        return []
