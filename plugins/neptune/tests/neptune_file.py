"""What a Neptune offline directory holds, by Neptune's own queue reader, as the contract compares it."""

import datetime
import json
import re
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

from neptune.core.components.queue.disk_queue import DiskQueue
from neptune.internal.backends.operations_preprocessor import OperationsPreprocessor
from neptune.internal.container_structure import ContainerStructure
from neptune.internal.operation import Operation

from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack_neptune import name_of
from multitrack_neptune.sources.offline.directories import Damage, find_directories
from multitrack_neptune.sources.offline.directories import read_operations as read_files


class Entry(NamedTuple):
    value: Any
    step: float
    time: int


def run_directories(data: Path) -> list[Path]:
    """All runs that stand in Neptune's data directory."""
    return sorted((data / "offline").glob("run__*"))


def find_run(data: Path, run_id: str) -> Path:
    """The one directory of a run."""
    found = [path for path in run_directories(data) if read_fields(path)["multitrack/run_id"] == run_id]
    assert len(found) == 1, found
    return found[0]


def read_operations(directory: Path) -> list[dict[str, Any]]:
    """All operations: as Neptune's own reader gives them, which must be what the plugin's reader gives."""
    with tempfile.TemporaryDirectory() as copy:  # the reader writes beside what it reads
        shutil.copytree(directory, copy, dirs_exist_ok=True)
        queue = DiskQueue(
            data_path=Path(copy), to_dict=lambda op: op.to_dict(), from_dict=Operation.from_dict, lock=threading.RLock()
        )
        operations = []
        while batch := queue.get_batch(1000):
            operations += [element.obj for element in batch]
        queue.close()
    _check_consistent(operations)
    plain = [json.loads(json.dumps(operation.to_dict())) for operation in operations]
    damage = Damage()
    (run,) = find_directories(directory)
    assert [*map(_ordered, plain)] == [_ordered(operation.body) for operation in read_files([run], damage)]
    assert not damage.sentences
    assert (directory / "last_put_version").read_text() == str(len(plain))
    return plain


def _ordered(operation: dict[str, Any]) -> dict[str, Any]:
    """The operation with its strings in order, if it is about a set of strings."""
    is_set = operation["type"] in {"AddStrings", "RemoveStrings"}
    return {**operation, "values": sorted(operation["values"])} if is_set else operation


def _check_consistent(operations: list[Operation]) -> None:
    """What a server would refuse: one path of two types, or a field that is a namespace too."""
    preprocessor = OperationsPreprocessor()
    preprocessor.process(operations)
    assert preprocessor.get_operations().errors == []
    structure: ContainerStructure[str, dict[str, Any]] = ContainerStructure()
    for operation in operations:
        structure.set(operation.path, type(operation).__name__)


def read_fields(directory: Path) -> dict[str, Any]:
    """Every field by path: a plain value, a list of entries for a series, a set, or an artifact's URIs."""
    fields: dict[str, Any] = {}
    for operation in read_operations(directory):
        path, kind = "/".join(operation["path"]), operation["type"]
        if kind.startswith("Assign"):
            fields[path] = operation["value"]
        elif kind in {"LogFloats", "LogStrings"}:
            # int(ts * 1000) is what the SDK sends to a server
            entries = [Entry(item["value"], item["step"], int(item["ts"] * 1000)) for item in operation["values"]]
            fields.setdefault(path, []).extend(entries)
        elif kind == "ClearStringLog":
            fields[path] = []
        elif kind == "AddStrings":
            fields.setdefault(path, set()).update(operation["values"])
        elif kind == "RemoveStrings":
            fields[path].difference_update(operation["values"])
        elif kind == "TrackFilesToArtifact":
            fields.setdefault(path, []).extend(uri for uri, _ in operation["entries"])
        elif kind == "DeleteAttribute":
            del fields[path]
        else:
            raise AssertionError(f"unexpected operation {kind}")
    return fields


def read_run(directory: Path) -> NativeRun:
    """A run's directory as the contract compares it."""
    fields = read_fields(directory)
    native = NativeRun(
        name=fields["sys/name"], status=fields["multitrack/status"], parent=fields.get("multitrack/parent"),
        started=_ms(fields["multitrack/started"]), ended=_ms(fields["multitrack/ended"]),
        identity={"user": fields["multitrack/user"], "host": fields["sys/hostname"],
                  "program": fields.get("source_code/entrypoint")},
    )  # fmt: skip
    assert fields["sys/failed"] is (native.status != "finished")
    native.references = {}
    lines: list[Entry] = []
    for path, value in sorted(fields.items(), key=lambda field: field[0].endswith("~exact")):  # after the floats
        root, _, rest = path.partition("/")
        base, companion = re.fullmatch(r"(.*?)(?:~([a-z]+))?", rest, re.DOTALL).groups()  # type: ignore[union-attr]
        name = name_of(base)
        if root == "logs":
            lines += value
        elif root == "parameters" and not companion:
            native.params[name] = _typed(whole(fields, path), fields.get(f"{path}~type"))
        elif root == "tags" and not companion:
            native.tags[name] = whole(fields, path)
        elif root == "artifacts" and not companion:
            native.artifacts[name] = value[-1]
            size = fields.get(f"{path}~size")
            native.references[name] = NativeReference(
                fields[f"{path}~kind"],
                fields[f"{path}~role"],
                fields.get(f"{path}~digest"),
                size and int(size),
                fields.get(f"{path}~version"),
            )
        elif root == "summary":
            native.metrics[name] = _number(value) if companion else value
        elif root in {"metrics", "lists"}:
            points = [NativePoint(point.step, _number(point.value), point.time) for point in value]
            native.series.setdefault(name, []).extend(points)
    native.lines = joined_lines(lines)
    return native


def joined_lines(entries: list[Entry]) -> list[str]:
    """The lines of all streams in their order: a step's whole part numbers the line, the rest orders its parts."""
    lines: dict[int, str] = {}
    for entry in sorted(entries, key=lambda entry: entry.step):
        assert len(entry.value) <= 1000
        lines[int(entry.step)] = lines.get(int(entry.step), "") + entry.value
    assert list(lines) == list(range(len(lines)))
    return list(lines.values())


def whole(fields: dict[str, Any], path: str) -> Any:
    """A field's value, from its parts where it is too long for one."""
    parts = fields.get(f"{path}~whole")
    return fields[path] if parts is None else "".join(part.value for part in parts)


def _typed(value: Any, kind: str | None) -> Any:
    if kind is None:
        return value
    return {"none": lambda _: None, "list": json.loads, "int": int, "float": float}[kind](value)


def _number(value: float | str) -> float:
    if isinstance(value, str):
        return float(value) if value in {"NaN", "Infinity", "-Infinity"} else int(value)
    return value


def _ms(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    return (moment - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(milliseconds=1)
