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
from multitrack.delivery import waiting as waiting_rules
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


class DownBackend(FileBackend):
    """Fails as long as there is no file ``go`` in the current directory."""

    name = "down"

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        if not Path("go").exists():
            raise RetryableError("down", after=0.1)
        super().write_all(run, what, records)


class KeyedBackend(FileBackend):
    """Tells with which credentials of the environment it opens a run, and hangs for a run that is called so."""

    name = "keyed"

    @hookimpl
    def environment_variables(self) -> Sequence[str]:
        return ["KEYED_API_KEY", "KEYED_PATIENCE"]

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        waiting_rules.STALL = float(os.environ.get("KEYED_PATIENCE", waiting_rules.STALL))  # type: ignore[misc]
        self.write(run, "open", pid=os.getpid(), key=os.environ.get("KEYED_API_KEY"), cwd=str(Path.cwd()))
        return Opened(f"keyed-{run.id}")

    def write_all(self, run: RunInfo, what: str, records: Sequence[Record]) -> None:
        if what == "metric" and run.name == "hung":
            time.sleep(10_000)
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
keyed = KeyedBackend()
down = DownBackend()
waiting = WaitingBackend()


def delivered(path: Path, what: str | None = None) -> list[dict[str, Any]]:
    """What a backend of this module wrote; a line that it is writing is left out."""
    if not path.exists():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    lines = [json.loads(line) for line in whole.splitlines()]
    return [line for line in lines if what in (None, line["what"])]


def kept(path: Path, what: str) -> list[dict[str, Any]]:
    """The same as a tracker keeps it that knows records by their ordinals.

    A courier that is killed while it delivers a batch, as one is that gets no processor at the end of a run, leaves the
    batch to the next courier, which delivers it again from its start.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for line in delivered(path, what):
        assert found.setdefault((line["run"], line["ordinal"]), line) == line
    return list(found.values())
