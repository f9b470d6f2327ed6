"""Journals with records at chosen times, and a notifier that remembers what it is told."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import multitrack
from multitrack import plugins
from multitrack.alerts.configured import ConfiguredRule, Plan, plan_alerts, ready_rules
from multitrack.alerts.replay import replay
from multitrack.config import load_config
from multitrack.hookspecs import Alert
from multitrack.journal.encoding import encode
from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import Manifest, write_manifest
from multitrack.journal.segments import segment_path
from multitrack.records import End, ListMetric, Metric, Record, Segment, Tags

#: The time of the first record of tests, in milliseconds.
BEGIN = 1_700_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE


class WrittenRun:
    """A run whose records are appended with times of their own, in minutes after :data:`BEGIN`."""

    def __init__(self, journal: Path, run_id: str, start: float = 0, **tags: str) -> None:
        self.directory = runs_directory(journal) / run_id
        self.directory.mkdir(parents=True)
        created = at(start)
        write_manifest(self.directory, Manifest(id=run_id, project="p", name=f"name of {run_id}", created=created))
        self.segments = 0
        self.resume(start)
        if tags:
            self.append(Tags(time=created, values=tags))

    def resume(self, minute: float, *, fork: bool = False) -> None:
        self.segments += 1
        self.append(Segment(time=at(minute), segment=self.segments, pid=1, host="h", fork=fork))

    @contextmanager
    def written(self) -> Iterator[None]:
        """Hold the newest segment, as a process that writes it does."""
        with segment_path(self.directory, self.segments).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def append(self, *records: Record) -> None:
        with segment_path(self.directory, self.segments).open("ab") as file:
            file.write(b"".join(map(encode, records)))

    def log(self, minute: float, step: int | None = None, **values: Any) -> None:
        self.append(Metric(time=at(minute), values={name: written(value) for name, value in values.items()}, step=step))

    def log_list(self, minute: float, name: str, values: Sequence[float]) -> None:
        self.append(ListMetric(time=at(minute), name=name, values=list(map(written, values))))

    def end(self, minute: float, status: Any = "finished") -> None:
        self.append(End(time=at(minute), status=status))


def written(value: float) -> Any:
    from multitrack._record_parts import number_to_json

    return number_to_json(value)


def at(minute: float) -> int:
    return BEGIN + round(minute * MINUTE)


def minutes(time: int | None) -> float | None:
    return None if time is None else (time - BEGIN) / MINUTE


def rules(*texts: str | dict[str, Any]) -> list[ConfiguredRule]:
    return ready_rules(plan(*texts).rules)


def plan(*texts: str | dict[str, Any], **notify: dict[str, Any]) -> Plan:
    tables = [{"when": text} if isinstance(text, str) else text for text in texts]
    return plan_alerts(load_config({"alerts": tables, "notify": notify}))


def episodes(journal: Path, *texts: str | dict[str, Any], since: int | None = None) -> list[tuple[Any, ...]]:
    """Each alert that a replay finds: its group, when it fired and was resolved in minutes, and its value."""
    return [
        (one.group, minutes(one.fired), minutes(one.resolved), one.value)
        for one in replay(journal, rules(*texts), since)
    ]


class Told:
    """A notifier of this process.

    Attributes:
        alerts: What it was told, in order.
        refuses: How many of the next calls fail.
    """

    name = "told"

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.refuses = 0

    @multitrack.hookimpl
    def notify(self, alert: Alert) -> None:
        if self.refuses:
            self.refuses -= 1
            raise RuntimeError("not now")
        self.alerts.append(alert)


@contextmanager
def told() -> Iterator[Told]:
    notifier = Told()
    plugins.register(notifier, "told")
    try:
        yield notifier
    finally:
        plugins.unregister("told")
