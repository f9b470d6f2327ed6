"""Find the directories of Neptune's 1.x client, and read their operations, without the SDK.

A run's directory has ``data-<n>.log``: one JSON object for each operation, numbered from ``n``. Three layouts are in
use: ``run__<id>__<pid>__<random>/``, ``run__<id>/exec-<time>/`` and ``<id>/exec-<time>/``. Those of runs with a server
have the same files, of which the client deletes what the server has acknowledged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from multitrack._text import clean_text

_LOG: Final = re.compile(r"data-(\d+)\.log")
_OF_A_SERVER: Final = "async"
#: Where the directories of runs are, from the place that the user names: the first pattern with one counts.
_PATTERNS: Final = (
    (".", "exec-*"),
    ("*", "*/exec-*"),
    ("offline/*", "async/*", "offline/*/exec-*", "async/*/exec-*"),
    (".neptune/offline/*", ".neptune/async/*", ".neptune/offline/*/exec-*", ".neptune/async/*/exec-*"),
)
#: How each file begins.
_BEGINNING: Final = b'{"obj":'
_FACTS: Final = ("containerId", "containerType", "createdAt")


class RunDirectory(NamedTuple):
    """A directory with operations.

    Attributes:
        path: The directory.
        container: The run's id in Neptune.
        kind: ``run``, ``model``, ``model_version`` or ``project``.
        created: When it was made, as ISO 8601 text; empty in old layouts.
    """

    path: Path
    container: str
    kind: str
    created: str


class Operation(NamedTuple):
    """An operation.

    Attributes:
        number: Its position among all operations of the run that are read, from 0.
        directory: The directory that it is in.
        kind: The name of its class, such as ``LogFloats``.
        path: The field.
        body: Its other members.
        at: When it was called (ms); None in old files.
    """

    number: int
    directory: Path
    kind: str
    path: str
    body: dict[str, Any]
    at: int | None


class Damage:
    """What of a run's operations could not be read.

    Attributes:
        sentences: A sentence for each.
        is_torn: True if the end is missing, because the process was killed or still writes.
    """

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.is_torn = False


def find_directories(place: Path) -> list[RunDirectory]:
    """The directories with operations in a place: a run's own, ``.neptune``, one of its parts, or the one around it."""
    for patterns in _PATTERNS:
        found = [path for pattern in patterns for path in ([place] if pattern == "." else place.glob(pattern))]
        directories = [_described(path) for path in found if _is_run(path)]
        if directories:
            return sorted(directories, key=lambda each: (each.created, each.path))
    return []


def read_operations(directories: Sequence[RunDirectory], damage: Damage | None = None) -> Iterator[Operation]:
    """Yield the operations of a run, in their order.

    Args:
        directories: Its directories, oldest first.
        damage: Collects what cannot be read.
    """
    number = 0
    damage = Damage() if damage is None else damage
    for directory in directories:
        version = 0
        damage.is_torn = False
        for path in _logs(directory.path):
            for element in _elements(path, damage):
                obj, following = element.get("obj"), element.get("version")
                if not isinstance(obj, dict) or not isinstance(obj.get("path"), list) or "type" not in obj:
                    damage.sentences.append(f"{path}: an entry is no operation and was left out")
                    continue
                if isinstance(following, int):
                    if following > version + 1:
                        damage.sentences.append(_missing(directory.path, version + 1, following - 1))
                    version = following
                at = element.get("at")
                yield Operation(
                    number, directory.path, str(obj["type"]), clean_text("/".join(map(str, obj["path"]))), obj,
                    int(at * 1000) if isinstance(at, (int, float)) else None,
                )  # fmt: skip
                number += 1
        written = _count(directory.path / "last_put_version")
        if written is not None and written > version:
            damage.is_torn = True
            damage.sentences.append(
                f"{directory.path}: the last {written - version} operations never reached the disk: "
                "the process was killed, or still runs"
            )


def _logs(directory: Path) -> list[Path]:
    found = [(int(match[1]), path) for path in directory.iterdir() if (match := _LOG.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def _elements(path: Path, damage: Damage) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file; the lines that are none are noted."""
    with path.open("rb") as file:
        for line in file:
            text = line.strip()
            if not text:
                continue
            elements = _decoded(text)
            if elements is not None:
                yield from elements
            elif line.endswith(b"\n"):
                damage.sentences.append(f"{path}: damaged at byte {file.tell() - len(line)}; what is whole was read")
            else:
                damage.is_torn = True
                damage.sentences.append(f"{path}: its last operation is torn; what is whole was read")


def _decoded(text: bytes) -> list[dict[str, Any]] | None:
    """The objects of a line, usually one; None if it is damaged."""
    try:
        found: Iterable[Any] = [msgspec.json.decode(text)]
    except ValueError:
        try:  # NaN, lone surrogates, and several objects on one line
            found = list(_objects(text.decode()))
        except ValueError:
            return None
    elements = [each for each in found if isinstance(each, dict)]
    return elements or None


def _objects(text: str) -> Iterator[Any]:
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        found, position = decoder.raw_decode(text, position)
        yield found
        position += len(text[position:]) - len(text[position:].lstrip())


def _is_run(directory: Path) -> bool:
    """Return True for a directory with operations, or one of a client that has written none yet."""
    try:
        logs = _logs(directory) if directory.is_dir() else []
        if not logs:
            return False
        with logs[0].open("rb") as file:
            beginning = file.read(len(_BEGINNING))
    except OSError:
        return False
    if beginning:
        return beginning == _BEGINNING
    return (directory / "last_put_version").exists()


def _described(directory: Path) -> RunDirectory:
    try:
        facts = json.loads((directory / "metadata.json").read_bytes())
    except (OSError, ValueError):
        facts = None
    container, kind, created = (facts.get(name) if isinstance(facts, dict) else None for name in _FACTS)
    name = directory.parent.name if directory.name.startswith("exec-") else directory.name
    parts = name.split("__")
    if len(parts) > 1:
        kind, container = kind or parts[0], container or parts[1]
    order = directory.name if directory.name.startswith("exec-") else ""
    return RunDirectory(directory, str(container or name), str(kind or "run"), str(created or order))


def _missing(directory: Path, first: int, last: int) -> str:
    where = f"operations {first} to {last} are" if last > first else f"operation {first} is"
    if directory.parent.name == _OF_A_SERVER or directory.parent.parent.name == _OF_A_SERVER:
        return f"{directory}: {where} not on this disk: the client deletes what Neptune's server has"
    return f"{directory}: {where} missing"


def _count(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
