"""Small backends for tests of the core: they write what they get to a file that a test reads."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from multitrack import PermanentError, RetryableError, hookimpl
from multitrack.config import PathOption
from multitrack.hookspecs import Opened, RunInfo
from multitrack.records import Lines, ListMetric, Metric, Params, Record, Tags


class FileOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the file goes."""

    path: PathOption = "delivered.jsonl"
    level: int = 0
    secret: str = ""


class FileBackend:
    """Writes one JSON line a call, whatever comes, as often as it comes."""

    name = "file"

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        return FileOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        self.write(
            run,
            "open",
            context_pid=run.context and run.context.pid,
            pid=os.getpid(),
            options=msgspec.to_builtins(run.options),
        )
        return Opened(f"file-{run.id}", url=f"file://{run.options.path}")

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> None:
        self.write_all(run, "params", records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        self.write_all(run, "metric", records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> None:
        self.write_all(run, "list", records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        self.write_all(run, "lines", records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        self.write_all(run, "tags", records)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        self.write(run, "link", parent=parent_id)

    @hookimpl
    def close_run(self, run: RunInfo, status: str, time: int) -> None:
        self.write(run, "close", status=status, time=time)

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        for record in records:
            self.write(run, what, record=msgspec.to_builtins(record), ordinal=record.ordinal, time=record.time)

    def write(self, run: RunInfo, what: str, **more: Any) -> None:
        with Path(run.options.path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, "run": run.id, "name": run.name, **more}) + "\n")


class RaisingBackend(FileBackend):
    """Raises in every data hook."""

    name = "raising"

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        raise PermanentError(f"no {what} today")


class ClosedDoorBackend(FileBackend):
    """Cannot open a run."""

    name = "closed"

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        raise ZeroDivisionError("the door is closed")


class PickyBackend(FileBackend):
    """Refuses a batch that holds a metric called ``bad``."""

    name = "picky"

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, Metric) and "bad" in record.values:
                raise ValueError("a bad metric")
        super().write_all(run, what, records)


class FlakyBackend(FileBackend):
    """Fails the first two deliveries, as a tracker that is down for a moment."""

    name = "flaky"

    def __init__(self) -> None:
        self.failures = 2

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        if self.failures:
            self.failures -= 1
            raise RetryableError("down for a moment")
        super().write_all(run, what, records)


class LosingBackend(FileBackend):
    """Loses what it had open, once, and begins anew at the journal's start."""

    name = "losing"

    def __init__(self) -> None:
        self.losses = 1

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        Path(run.options.path).unlink(missing_ok=True)
        self.write(run, "open")
        return Opened("lost-and-found", position=0)

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> int:
        if self.losses:
            self.losses -= 1
            raise RetryableError("the session is gone", reopen=True)
        return 0


class HungBackend(FileBackend):
    """Never comes back from a delivery."""

    name = "hung"

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        time.sleep(10_000)


class WaitingBackend(FileBackend):
    """Delivers nothing before there is a file ``go`` in the current directory."""

    name = "waiting"

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        while not Path("go").exists():
            time.sleep(0.02)
        super().write_all(run, what, records)


class CountingBackend(FileBackend):
    """Only counts."""

    name = "counting"

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        pass


file = FileBackend()
counting = CountingBackend()
raising = RaisingBackend()
closed = ClosedDoorBackend()
picky = PickyBackend()
flaky = FlakyBackend()
losing = LosingBackend()
hung = HungBackend()
waiting = WaitingBackend()


def delivered(path: Path, what: str | None = None) -> list[dict[str, Any]]:
    """What a backend of this module wrote."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if what in (None, line["what"])]
