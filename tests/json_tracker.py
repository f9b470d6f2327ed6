"""A small tracker on disk, written as a backend should be; ``planted_bugs`` has what can be wrong in it."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from multitrack.config import PathOption
from multitrack.hookspecs import Opened, RunInfo, Source
from multitrack.markers import hookimpl
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Record, Status, Tags, typed_params
from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack.testing.native_source import NativeSource

Page = dict[str, Any]


class JsonOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """directory: where the files go."""

    directory: PathOption = "json"


class JsonTracker:
    """Keeps each run in a JSON file, with the ordinals of the records that it holds."""

    name = "json"

    # What the bugs change.

    def key(self, run: RunInfo) -> str:
        return run.id

    def continues(self, page: Page) -> bool:
        return True

    def holds(self, page: Page, record: Record) -> bool:
        return record.ordinal in page["held"]

    def param(self, value: Any) -> Any:
        return value

    def step(self, record: Metric) -> int | None:
        return record.step

    def takes(self, value: float) -> bool:
        return True

    def time(self, record: Metric) -> int:
        return record.time

    def first(self, run: RunInfo, record: ListMetric) -> int:
        return record.index

    def lines(self, record: Lines) -> list[str]:
        return record.lines

    def uri(self, run: RunInfo, record: ArtifactRef) -> str:
        return record.uri

    def digest(self, record: ArtifactRef) -> str | None:
        return record.digest

    def version(self, record: ArtifactRef) -> str | None:
        return record.version

    def links(self, page: Page) -> bool:
        return True

    def status(self, status: Status) -> str:
        return status

    def seen(self, native: NativeRun) -> NativeRun:
        return native

    # The hooks.

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        return JsonOptions

    @hookimpl
    def environment_variables(self) -> Sequence[str]:
        return ["JSON_TRACKER_*"]

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        path = self.path(run, self.key(run))
        if path.exists() and not self.continues(json.loads(path.read_text())):
            path = self.path(run, f"{self.key(run)}-again")
        page: Page = {
            "params": {}, "metrics": {}, "points": [], "artifacts": {}, "lines": [], "tags": {}, "held": [],
            "parent": None, "started": run.created, "ended": None,
        }  # fmt: skip
        if path.exists():
            page = json.loads(path.read_text())
        page |= {"name": run.name, "status": "running"}
        if run.context is not None:
            page["identity"] = {key: getattr(run.context, key) for key in ("user", "host", "program")}
        path.parent.mkdir(exist_ok=True)
        self.save(path, page)
        return Opened(path.stem, url=path.as_uri())

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> None:
        for page, record in self.fresh(run, records):
            page["params"] |= {key: self.param(value) for key, value in typed_params(record).items()}

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        for page, record in self.fresh(run, records):
            for name, value in record.numbers.items():
                if record.step is None:
                    page["metrics"][name] = value
                elif self.takes(value):
                    page["points"].append([name, self.step(record), value, self.time(record)])

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> None:
        for page, record in self.fresh(run, records):
            points = enumerate(record.numbers, self.first(run, record))
            page["points"] += [[record.name, step, value, record.time] for step, value in points]

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> None:
        for page, record in self.fresh(run, records):
            details = [record.kind, record.role, self.digest(record), record.size, self.version(record)]
            page["artifacts"][record.name] = [self.uri(run, record), *details]

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Any:
        for page, record in self.fresh(run, records):
            page["lines"] += self.lines(record)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> None:
        for page, record in self.fresh(run, records):
            page["tags"] |= record.values

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        page = self.load(run)
        if self.links(page):
            self.save(self.path(run), page | {"parent": parent_id})

    @hookimpl
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        return run_id if self.path(run, run_id).exists() else None

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        self.save(self.path(run), self.load(run) | {"status": self.status(status), "ended": time})

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        return NativeSource(self.seen(read_run(self.path(run))), run)

    def path(self, run: RunInfo, key: str | None = None) -> Path:
        return Path(run.options.directory, f"{key or run.backend_id}.json")

    def load(self, run: RunInfo) -> Page:
        page: Page = json.loads(self.path(run).read_text())
        return page

    def save(self, path: Path, page: Page) -> None:
        """Write a file that another thread may read, which takes two runs in one file."""
        draft = path.with_suffix(f".{threading.get_ident()}")
        draft.write_text(json.dumps(page))
        draft.replace(path)

    def fresh(self, run: RunInfo, records: Sequence[Any]) -> Iterator[tuple[Page, Any]]:
        """The records that the run's file does not hold yet, each with what it holds, which is then written."""
        page = self.load(run)
        for record in records:
            if not self.holds(page, record):
                yield page, record
                page["held"].append(record.ordinal)
        self.save(self.path(run), page)


def read_run(path: Path) -> NativeRun:
    page: Page = json.loads(path.read_text())
    native = NativeRun(**{key: value for key, value in page.items() if key not in ("held", "points")})
    native.artifacts = {name: uri for name, (uri, *_) in page["artifacts"].items()}
    native.references = {name: NativeReference(*details) for name, (_, *details) in page["artifacts"].items()}
    for name, *point in page["points"]:
        native.series.setdefault(name, []).append(NativePoint(*point))
    return native
