"""The facts of a run in its ``.wandb`` files, and its records in their order; without the SDK.

A run may have several files: each time that it was resumed offline, the SDK made another directory. Field numbers are
those of wandb/proto/wandb_internal.proto.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from multitrack_wandb.facts import Artifact, Entry, Facts
from multitrack_wandb.log_format import fields, records

# Fields of a record: its kinds.
HISTORY, SUMMARY, OUTPUT, CONFIG, FILES, STATS, ARTIFACT, ALERT, METRIC = 2, 3, 4, 5, 6, 7, 8, 10, 12
OUTPUT_RAW, RUN, EXIT, USE_ARTIFACT, ENVIRONMENT, OUTPUT_LOGGER = 13, 17, 18, 25, 26, 27
_LINE: Final = {OUTPUT: (2, 3), OUTPUT_RAW: (2, 3), OUTPUT_LOGGER: (0, 1)}  # fields of a text's time and text


@dataclasses.dataclass
class StoredFacts(Facts):
    """The facts in the files of a run.

    Attributes:
        artifacts: The artifacts, by name.
        saved: Paths of saved files, in the directory ``files``.
        stats: Number of records of system metrics.
        damage: Sentences about damaged parts.
    """

    artifacts: dict[str, Artifact] = dataclasses.field(default_factory=dict)
    saved: dict[str, Path] = dataclasses.field(default_factory=dict)
    stats: int = 0
    damage: list[str] = dataclasses.field(default_factory=list)

    def add(self, path: Path) -> None:
        """Add the facts of a file."""
        damage: list[int] = []
        for body in records(path, damage):
            for kind, value in fields(body):
                if isinstance(value, bytes):
                    self._add(kind, value, path.parent / "files")
        self.damage += [f"{path}: damaged at byte {position}; what is whole was read" for position in damage]

    def _add(self, kind: int, value: bytes, files: Path) -> None:
        if kind == RUN:
            self._add_run(value)
        elif kind == CONFIG:
            _update(self.config, value)
        elif kind == SUMMARY:
            _update(self.summary, value)
        elif kind == EXIT:
            numbers = dict(fields(value))
            self.exit_code, self.runtime = int(numbers.get(1, 0)), int(numbers.get(2, 0))
        elif kind == ARTIFACT:
            artifact = _artifact(value)
            self.artifacts[artifact.name] = artifact
        elif kind == USE_ARTIFACT:
            parts = _texts(value)
            name = parts.get(3) or parts.get(1, "")
            self.artifacts[name] = Artifact(name, parts.get(2, "artifact"), "input")
        elif kind == FILES:
            for field, item in fields(value):
                if field == 1 and isinstance(item, bytes) and (saved := _texts(item).get(1)):
                    self.saved[saved] = files / saved
        elif kind == ENVIRONMENT:
            self._add_environment(value)
        elif kind == STATS:
            self.stats += 1
        elif kind == METRIC:
            parts = _texts(value)
            is_expanded = any(field == 10 for field, _ in fields(value))  # from a pattern, which is there as well
            if not is_expanded and (step_metric := parts.get(4)):
                self.step_metrics[parts.get(1) or parts.get(2, "")] = step_metric

    def _add_run(self, value: bytes) -> None:
        parts = _texts(value)
        self.id, self.project = parts.get(1, self.id), parts.get(3, self.project)
        self.entity, self.name = parts.get(2, self.entity), parts.get(8, self.name)
        self.group, self.notes = parts.get(6, self.group), parts.get(9, self.notes)
        self.job_type, self.sweep = parts.get(7, self.job_type), parts.get(12, self.sweep)
        tags = [item.decode("utf-8", "replace") for field, item in fields(value) if field == 10 and type(item) is bytes]
        self.tags = tags or self.tags
        if host := parts.get(13):
            self.environment.setdefault("host", host)
        for field, item in fields(value):
            if not isinstance(item, bytes):
                continue
            if field == 4:
                _update(self.config, item)
            elif field == 5:
                _update(self.summary, item)
            elif field == 17 and not self.started:  # a resumed run keeps its first start
                self.started = _milliseconds(item)
            elif field == 21:
                git = _texts(item)
                self.remote, self.commit = git.get(1, ""), git.get(2, "")

    def _add_environment(self, value: bytes) -> None:
        names = {6: "program", 12: "host", 13: "username"}
        parts = _texts(value)
        self.environment |= {name: parts[field] for field, name in names.items() if parts.get(field)}
        args = [item.decode("utf-8", "replace") for field, item in fields(value) if field == 5 and type(item) is bytes]
        self.args = args or self.args
        for field, item in fields(value):
            if field == 9 and isinstance(item, bytes):
                git = _texts(item)
                self.remote, self.commit = git.get(1, self.remote), git.get(2, self.commit)


class Alert(NamedTuple):
    """An alert that the program sent.

    Attributes:
        level: ``INFO``, ``WARN`` or ``ERROR``.
        title: Its title.
        text: Its text, of any number of lines.
    """

    level: str
    title: str
    text: str


def read_facts(paths: Sequence[Path]) -> StoredFacts:
    """Read the facts of a run from its files, oldest first."""
    facts = StoredFacts()
    for path in paths:
        facts.add(path)
    return facts


def read_stream(path: Path) -> Iterator[tuple[dict[str, Any], int | None] | tuple[int | None, str] | Alert]:
    """Yield a file's rows with their steps, the texts of its log with their times (ms), and alerts, in their order."""
    for body in records(path, []):
        for kind, value in fields(body):
            if kind == HISTORY and isinstance(value, bytes):
                row: dict[str, Any] = {}
                _update(row, value)
                step = row.pop("_step", None)
                for field, item in fields(value):
                    if field == 2 and isinstance(item, bytes):
                        step = next((number for key, number in fields(item) if key == 1), 0)
                yield row, step if isinstance(step, int) else None
            elif kind == ALERT and isinstance(value, bytes):
                alert = _texts(value)
                yield Alert(alert.get(3, ""), alert.get(1, ""), alert.get(2, ""))
            elif kind in _LINE and isinstance(value, bytes):
                time_field, text_field = _LINE[kind]
                parts = dict(fields(value))
                text, moment = parts.get(text_field, b""), parts.get(time_field)
                if isinstance(text, bytes):
                    yield (
                        _milliseconds(moment) if isinstance(moment, bytes) else None,
                        text.decode("utf-8", "replace"),
                    )


def _update(target: dict[str, Any], message: bytes) -> None:
    """Apply the items of a config, summary or history to a mapping; nested keys become nested mappings."""
    for field, item in fields(message):
        if field not in (1, 2) or not isinstance(item, bytes):
            continue
        key, nested, value = "", list[str](), None
        for number, part in fields(item):
            if isinstance(part, bytes):
                text = part.decode("utf-8", "replace")
                if number == 1:
                    key = text
                elif number == 2:
                    nested.append(text)
                elif number == 16:
                    value = _decoded(text)
        keys = nested or [key]
        place = target
        for above in keys[:-1]:
            inner = place.get(above)
            if not isinstance(inner, dict):
                inner = place[above] = {}
            place = inner
        if field == 1:
            place[keys[-1]] = value
        else:
            place.pop(keys[-1], None)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _artifact(value: bytes) -> Artifact:
    parts = _texts(value)
    entries = []
    for field, manifest in fields(value):
        if field == 12 and isinstance(manifest, bytes):
            for key, entry in fields(manifest):
                if key == 4 and isinstance(entry, bytes):
                    texts, numbers = _texts(entry), dict(fields(entry))
                    size = numbers.get(4, 0)
                    known = size if isinstance(size, int) else 0
                    entries.append(Entry(texts.get(1, ""), texts.get(3, ""), texts.get(2, ""), known, texts.get(6, "")))
    return Artifact(parts.get(5, ""), parts.get(4, "artifact"), "output", entries)


def _texts(message: bytes) -> dict[int, str]:
    """The texts of a message by field; the last one of a repeated field."""
    return {field: value.decode("utf-8", "replace") for field, value in fields(message) if isinstance(value, bytes)}


def _milliseconds(timestamp: bytes) -> int:
    """The time in a Timestamp of Protocol Buffers."""
    parts = {field: value for field, value in fields(timestamp) if isinstance(value, int)}
    return parts.get(1, 0) * 1000 + parts.get(2, 0) // 1_000_000
