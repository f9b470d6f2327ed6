"""The bugs that backends have: each is a subclass of :class:`~json_tracker.JsonTracker` that changes a line or two."""

import math
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from json_tracker import JsonTracker, Page
from multitrack.config import PathOption
from multitrack.hookspecs import Opened, RunInfo
from multitrack.markers import hookimpl
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Record, Status
from multitrack.testing import NativeRun


class IgnoresSteps(JsonTracker):
    def step(self, record: Metric) -> int | None:
        return record.step and 0


class DropsNan(JsonTracker):
    def takes(self, value: float) -> bool:
        return not math.isnan(value)


class RestartsLists(JsonTracker):
    def first(self, run: RunInfo, record: ListMetric) -> int:
        return record.index if run.segment == 1 else 0


class AppliesTwice(JsonTracker):
    def holds(self, page: Page, record: Record) -> bool:
        return False


class StampsNow(JsonTracker):
    def time(self, record: Metric) -> int:
        return time.time_ns() // 1_000_000


class CutsParams(JsonTracker):
    def param(self, value: Any) -> Any:
        return value[:500] if isinstance(value, str) else value


class Uploads(JsonTracker):
    def uri(self, run: RunInfo, record: ArtifactRef) -> str:
        file = Path(record.uri.removeprefix("file://"))
        return Path(shutil.copy(file, run.options.directory)).as_uri() if file.exists() else record.uri


class ReadsOtherTags(JsonTracker):
    def seen(self, native: NativeRun) -> NativeRun:
        native.tags = {name: str(len(value)) for name, value in native.tags.items()}
        return native


class ReadsLastPoints(JsonTracker):
    def seen(self, native: NativeRun) -> NativeRun:
        native.series = {name: points[-1:] for name, points in native.series.items()}
        return native


class JoinsLines(JsonTracker):
    def lines(self, record: Lines) -> list[str]:
        return [" ".join(record.lines)]


class LosesStatus(JsonTracker):
    def status(self, status: Status) -> str:
        return "finished"


class MixesRuns(JsonTracker):
    def key(self, run: RunInfo) -> str:
        return run.name


class KeepsInMemory(JsonTracker):
    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}

    def load(self, run: RunInfo) -> Page:
        return self.pages.setdefault(run.id, super().load(run))

    def save(self, path: Path, page: Page) -> None:
        if page["ended"] is not None or not path.exists():
            super().save(path, page)


class StartsAnew(JsonTracker):
    def continues(self, page: Page) -> bool:
        return page["ended"] is None


class LinksOpenRunsOnly(JsonTracker):
    def links(self, page: Page) -> bool:
        return page["ended"] is None


class LosesDigests(JsonTracker):
    def digest(self, record: ArtifactRef) -> str | None:
        return None


class LosesVersions(JsonTracker):
    def version(self, record: ArtifactRef) -> str | None:
        return None


class IsBoundToItsThread(JsonTracker):
    def key(self, run: RunInfo) -> str:
        self.thread = threading.get_ident()  # when the run is opened, as an SQLite connection does
        return super().key(run)

    def holds(self, page: Page, record: Record) -> bool:
        if threading.get_ident() != self.thread:
            raise RuntimeError("used by another thread than the one that opened it")
        return super().holds(page, record)


class FindsNothing(JsonTracker):
    @hookimpl
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        return None


class SharesState(JsonTracker):
    def path(self, run: RunInfo, key: str | None = None) -> Path:
        self.first_key = getattr(self, "first_key", key)
        return super().path(run, self.first_key)


class HasNoUrl(JsonTracker):
    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        return msgspec.structs.replace(super().open_run(run), url="run 1")


class ReturnsText(JsonTracker):
    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Any:
        super().log_lines(run, records)
        return "lines: cut"


class LenientOptions(msgspec.Struct):
    """directory: where the files go."""

    directory: PathOption = "json"


class IgnoresMisspeltOptions(JsonTracker):
    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        return LenientOptions


class AsksForTheWholeEnvironment(JsonTracker):
    @hookimpl
    def environment_variables(self) -> Sequence[str]:
        return ["*"]
