"""Reads ``.wandb`` files and makes of a run's directories what W&B would show of it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack_wandb.internals import lookup
from multitrack_wandb.names import STEP

BLOCK = 32 * 1024
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
COLUMNS = {STEP, "_step", "_runtime", "_timestamp"}  # of each row, beside its values


def payloads(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log behind W&B's seven bytes; fails on anything torn or damaged."""
    magic, number, _version = struct.unpack_from("<4sHB", data)
    assert (magic, number) == (b":W&B", 0xBEE1)
    offset, parts = 7, []
    while offset < len(data):
        rest = BLOCK - offset % BLOCK
        if rest < 7:
            offset += rest
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, offset)
        body = data[offset + 7 : offset + 7 + length]
        assert len(body) == length, "torn"
        assert zlib.crc32(bytes([kind]) + body) == checksum, "damaged"
        offset += 7 + length
        assert (kind in (FULL, FIRST)) == (not parts), "fragments out of order"
        parts.append(body)
        if kind in (FULL, LAST):
            yield b"".join(parts)
            parts = []
    assert not parts, "torn"


def records(directory: Path) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = directory.glob("*.wandb")
    for payload in payloads(path.read_bytes()):
        yield Record.FromString(payload)


def items(updates: Any) -> Iterator[tuple[str, Any]]:
    for item in updates:
        yield "/".join(item.nested_key) or item.key, json.loads(item.value_json)


def row_of(updates: Any) -> dict[str, Any]:
    """A row; the fields of an image are one value."""
    row: dict[str, Any] = {}
    for item in updates:
        *above, last = item.nested_key or [item.key]
        place = row
        for key in above:
            place = place.setdefault(key, {})
        place[last] = json.loads(item.value_json)
    return row


@dataclasses.dataclass
class WandbRun:
    """What the directories of one run hold together, read in the order in which they were made."""

    name: str = ""
    group: str = ""
    project: str = ""
    started: int | None = None
    exit_code: int | None = None
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    summary: dict[str, Any] = dataclasses.field(default_factory=dict)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    texts: list[str] = dataclasses.field(default_factory=list)
    artifacts: dict[str, Any] = dataclasses.field(default_factory=dict)
    axes: dict[str, str] = dataclasses.field(default_factory=dict)
    hidden: set[str] = dataclasses.field(default_factory=set)
    environment: Any = None

    def read(self, directory: Path) -> None:
        for record in records(directory):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.name, self.group, self.project = record.run.display_name, record.run.run_group, record.run.project
                self.tags = tuple(record.run.tags)
                self.started = record.run.start_time.ToMilliseconds()
                self.config.update(items(record.run.config.update))
            elif kind == "config":
                self.config.update(items(record.config.update))
            elif kind == "history":
                self.rows.append(row_of(record.history.item))
            elif kind == "summary":
                self.summary.update(items(record.summary.update))
            elif kind == "output_logger":
                self.texts.append(record.output_logger.line)
            elif kind == "output_raw":  # of releases that have no Run.write_logs
                self.texts.append(record.output_raw.line)
            elif kind == "artifact":
                self.artifacts[record.artifact.name] = record.artifact
            elif kind == "metric":
                name = record.metric.name.replace("\\.", ".")
                if record.metric.step_metric:
                    self.axes[name] = record.metric.step_metric.replace("\\.", ".")
                if record.metric.options.hidden:
                    self.hidden.add(name)
            elif kind == "environment" and record.environment.host:
                self.environment = record.environment
            elif kind == "exit":
                self.exit_code = record.exit.exit_code


def directories(root: Path, run_id: str, mode: str = "offline-run") -> list[Path]:
    found = (root / "wandb").glob(f"{mode}-*-{run_id}*")
    return sorted(found, key=lambda path: path.name)


def read_wandb(root: Path, run_id: str, mode: str = "offline-run") -> WandbRun:
    run = WandbRun()
    for directory in directories(root, run_id, mode):
        if any(directory.glob("*.wandb")):  # else the SDK was killed between making the directory and the file
            run.read(directory)
    return run


def read_native(root: Path, run_id: str, mode: str = "offline-run") -> NativeRun:
    """The run in the contract's form; rows must be numbered without a gap."""
    return native(read_wandb(root, run_id, mode))


def references(uri: str) -> list[list[str]]:
    """What an artifact may refer to; the public way cannot refer to what it would have to look up."""
    return [[uri]] if lookup.find("wandb") else [[uri], []]


def native(run: WandbRun) -> NativeRun:
    assert [row["_step"] for row in run.rows] == list(range(len(run.rows)))
    found = NativeRun(name=run.name, status={0: "finished", 1: "failed", 255: "killed", None: "running"}[run.exit_code])
    own = {
        re.sub(r"(-_*)_$", r"\1", key.removeprefix("multitrack/")): value  # the SDK strips "-" at the end of a key
        for key, value in run.config.items()
        if key.startswith("multitrack/")
    }
    found.params = {key: value for key, value in run.config.items() if not key.startswith(("multitrack/", "_wandb"))}
    for row in run.rows:
        for key, value in row.items():
            if not key.startswith(("exact ", "figures/")) and key not in COLUMNS:
                value = int(row[f"exact {key}"]) if f"exact {key}" in row else value  # beyond 2⁵³
                point = NativePoint(row[STEP], value, round(row["_timestamp"] * 1000))
                found.series.setdefault(key, []).append(point)
    found.metrics = {
        key: value
        for key, value in run.summary.items()
        if not key.startswith(("exact ", "figures/", "_step", "_runtime", "_timestamp", "_wandb"))
    }
    for key, value in found.metrics.items():
        exact = run.summary.get(f"exact {key}", "")
        if re.fullmatch(r"-?\d+", exact) and _as_double(int(exact)) == value:
            found.metrics[key] = int(exact)
    found.references = {}
    for artifact in run.artifacts.values():
        facts = json.loads(artifact.metadata)
        assert facts["uri"] == own[f"artifacts/{facts['name']}"]["uri"]
        assert [entry.ref for entry in artifact.manifest.contents] in references(facts["uri"])
        digest = facts.get("version") or facts.get("digest") or facts["uri"]
        assert {entry.digest for entry in artifact.manifest.contents} <= {digest}, "two versions would be one artifact"
        found.artifacts[facts["name"]] = facts["uri"]
        found.references[facts["name"]] = NativeReference(
            facts["kind"], facts["role"], facts.get("digest"), facts.get("size"), facts.get("version")
        )
    text = "".join(run.texts)
    found.lines = text.split("\n")[:-1]
    found.tags = {key.removeprefix("tags/"): value for key, value in own.items() if key.startswith("tags/")}
    found.parent = own.get("parent")
    found.started, found.ended = milliseconds(own.get("created")), milliseconds(own.get("ended"))
    found.identity = {key: getattr(run.environment, name) for key, name in IDENTITY.items()}
    return found


def _as_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


IDENTITY = {"user": "username", "host": "host", "program": "program"}


def milliseconds(moment: str | None) -> int | None:
    return None if moment is None else round(datetime.datetime.fromisoformat(moment).timestamp() * 1000)
