"""Translate each record for W&B, independent of other records and without the SDK.

Every error in a record is found here, while the lane can still set that one record aside. Later writes can fail only
because of W&B.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags, typed_params
from multitrack_wandb.names import (
    EXACT,
    STEP,
    artifact_name,
    config_key,
    config_value,
    exact_key,
    metric_key,
    param_key,
)

if TYPE_CHECKING:
    import wandb

DataRecord = Params | Metric | ListMetric | ArtifactRef | Lines | Tags


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """An image in a row.

    Attributes:
        key: Its column.
        image: The SDK's image; None if the file is gone or changed since it was decided that it has a row.
        problems: The reason for the report if there is no image.
    """

    key: str
    image: wandb.Image | None
    problems: Sequence[str] = ()

    def cells(self) -> dict[str, Any]:
        """Return the row's additional cells."""
        return {} if self.image is None else {self.key: self.image}

    def send_file(self, run: wandb.Run, step: int) -> None:
        """Send the file of a row that W&B has: the session was interrupted, perhaps before the file was sent."""
        if self.image is not None:
            self.image.bind_to_run(run, self.key, step)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """The translation of one record.

    Attributes:
        rows: History rows, in order.
        series: Value columns of the rows, with the step as their x axis.
        summary: Values for the summary.
        config: Values for the config.
        tags: Tags by key.
        artifact: A reference to log.
        picture: The image of the only row, if the reference is a figure to show.
        lines: Lines for the logs.
        stand_ins: Messages about values that W&B cannot hold unchanged.
    """

    rows: Sequence[dict[str, Any]] = ()
    series: Sequence[str] = ()
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    artifact: ArtifactRef | None = None
    picture: Picture | None = None
    lines: Sequence[str] = ()
    stand_ins: Sequence[str] = ()


@functools.singledispatch
def translate(record: DataRecord) -> Write:
    """Translate ``record`` for W&B."""
    raise TypeError(f"not a data record: {type(record).__name__}")


@translate.register
def _params(record: Params) -> Write:
    values = typed_params(record)
    config = {param_key(key): config_value(value) for key, value in values.items()}
    stand_ins = [f"param {key}: called {param_key(key)!r}" for key in values if param_key(key) != key]
    stand_ins += [
        f"param {key}: {str(value)[:40]}, kept as text"
        for key, value in values.items()
        if config[param_key(key)] is not value and config[param_key(key)] != value
    ]
    for key, kept in record.objects.items():
        if kept.whole is not None:
            beside = config_key(f"multitrack/objects/{key}")
            config[beside] = kept.whole
            stand_ins.append(f"param {key}: an object of {len(kept.whole)} characters, whole in {beside!r}")
    return Write(config=config, stand_ins=stand_ins)


@translate.register
def _metric(record: Metric) -> Write:
    if record.step is None:
        return _summary(record)
    row: dict[str, Any] = {"_timestamp": record.time / 1000, STEP: record.step}
    series = []
    stand_ins: list[str] = []
    for name, value in record.numbers.items():
        key = metric_key(name)
        series.append(key)
        if type(value) is float and key == name:  # nearly all
            row[key] = value
        else:
            row |= _cells(key, value)
            stand_ins += _metric_stand_ins({name: value})
    return Write(rows=(row,), series=series, stand_ins=stand_ins)


def _summary(record: Metric) -> Write:
    keys = {metric_key(name): value for name, value in record.numbers.items()}
    # The SDK turns NaN in the summary into null; in a row it stays NaN.
    summary = {key: "NaN" if value != value else _number(value) for key, value in keys.items()}
    summary |= {exact_key(key): str(value) for key, value in keys.items() if _is_rounded(value)}
    nans = [f"metric {name}: NaN, kept as text" for name, value in record.numbers.items() if value != value]
    return Write(summary=summary, stand_ins=[*_metric_stand_ins(record.numbers), *nans])


@translate.register
def _list_metric(record: ListMetric) -> Write:
    key = metric_key(record.name)
    time = record.time / 1000
    rows = [
        {"_timestamp": time, STEP: step, **_cells(key, value)}
        for step, value in enumerate(record.numbers, record.index)
    ]
    stand_ins = _metric_stand_ins({record.name: max(record.numbers, key=_is_rounded, default=0)})
    return Write(rows=rows, series=[key], stand_ins=stand_ins)


@translate.register
def _artifact(record: ArtifactRef) -> Write:
    # In the config as well, since W&B silently drops artifacts that it rejects.
    name = artifact_name(record.name)
    stand_ins = [] if name == record.name else [f"artifact {record.name}: called {name}"]
    key = config_key(f"multitrack/artifacts/{record.name}")
    # W&B keeps every version, so a pending reference waits for the record with its digest.
    artifact = None if record.pending else record
    return Write(artifact=artifact, config={key: artifact_facts(record)}, stand_ins=stand_ins)


@translate.register
def _lines(record: Lines) -> Write:
    return Write(lines=record.lines)


@translate.register
def _tags(record: Tags) -> Write:
    config = {config_key(f"multitrack/tags/{key}"): value for key, value in record.values.items()}
    return Write(tags=record.values, config=config)


def artifact_facts(record: ArtifactRef) -> dict[str, Any]:
    """Return the known fields of a reference."""
    facts = {
        "name": record.name, "uri": record.uri, "kind": record.kind, "role": record.role,
        "digest": record.digest, "version": record.version, "size": record.size,
    }  # fmt: skip
    return {key: value for key, value in facts.items() if value is not None}


def _cells(key: str, value: float) -> dict[str, Any]:
    cells: dict[str, Any] = {key: _number(value)}
    if _is_rounded(value):
        cells[exact_key(key)] = str(value)
    return cells


def _is_rounded(value: float) -> bool:
    return isinstance(value, int) and abs(value) > EXACT


def _number(value: float) -> float:
    """Return the number as a double if W&B would round it. A row with an integer beyond all doubles would be lost."""
    try:
        return float(value) if _is_rounded(value) else value
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _metric_stand_ins(numbers: Mapping[str, float]) -> list[str]:
    renamed = [f"metric {name}: called {metric_key(name)!r}" for name in numbers if metric_key(name) != name]
    rounded = [
        f"metric {name}: beyond 2⁵³, exact as text in {exact_key(metric_key(name))!r}"
        for name, value in numbers.items()
        if _is_rounded(value)
    ]
    return renamed + rounded
