"""The hooks: how each record kind becomes something of MLflow's.

Everything is written so that writing it again changes nothing: a metric's key in MLflow is (run, key, step, ms,
value), and times and steps come from the journal; params and tags are set to what they are; line files are written
whole. So ``flush`` has nothing to do, and a lane goes on where it saved its position; what it has beyond is slow to
write again, and passed over (:mod:`multitrack_mlflow.progress`).
"""

from __future__ import annotations

import json
import math
import os
import shlex
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

import msgspec

from multitrack.credentials import without_credentials
from multitrack.hookspecs import Opened, RunInfo
from multitrack.markers import hookimpl
from multitrack.plugins import import_sdk, require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags, typed_params
from multitrack_mlflow import sqlite, transport, uris
from multitrack_mlflow.errors import is_changed_param, translated
from multitrack_mlflow.line_files import LineFiles, pointer
from multitrack_mlflow.names import native_name
from multitrack_mlflow.options import ENVIRONMENT, MlflowOptions
from multitrack_mlflow.progress import Kind, Place, Sent, noted_run

if TYPE_CHECKING:
    from mlflow.entities import Metric as NativeMetric
    from mlflow.tracking import MlflowClient

#: MLflow's limits: characters of a param and a tag, metrics and tags or params a request
#: (mlflow/utils/validation.py).
PARAM_LENGTH: Final = 6000
TAG_LENGTH: Final = 8000
METRICS_A_BATCH: Final = 1000
OTHERS_A_BATCH: Final = 100
#: The largest integer that a double, and so MLflow, holds exactly.
EXACT: Final = 2**53
_STATUS: Final = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_RUN_TAG: Final = "multitrack.run_id"


class _OpenRun:
    """What is kept of a run while its lane is open."""

    def __init__(self, client: MlflowClient, native_id: str, uri: str, experiment: str, sent: Sent) -> None:
        self.client = client
        self.id = native_id
        self.uri = uri
        self.experiment = experiment
        self.lines = LineFiles(client, native_id)
        self.sent = sent
        self.named: set[str] = set()  # changed names whose tag is set


class MlflowBackend:
    """Delivers to MLflow; one object serves all runs of a process, from several threads."""

    name = "mlflow"

    def __init__(self) -> None:
        self._clients: dict[str, MlflowClient] = {}
        self._runs: dict[Path, _OpenRun] = {}  # by the lane's directory: ids may repeat in another journal
        self._lock = threading.Lock()

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`MlflowOptions`."""
        require_sdk("mlflow", "mlflow")
        return MlflowOptions

    @hookimpl
    def environment_variables(self) -> Sequence[str]:
        """See :data:`~multitrack_mlflow.options.ENVIRONMENT`."""
        return ENVIRONMENT

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Find the run by our tag, or create it with the training's identity."""
        uri = str(run.options.tracking_uri)
        with translated(uri, run.options.timeout):
            client = self._client(run)
            experiment = self._experiment(client, run)
            # create_run is not idempotent; the lane's lock keeps anybody else from creating it meanwhile
            found: dict[str, Any] = {one.info.run_id: one for one in _search_own(client, experiment, run)}
            noted = noted_run(run.directory)
            if found:
                native_id = noted if noted in found else next(iter(found))
                self._continue(client, run, found[native_id])
            else:
                created = client.create_run(
                    experiment, start_time=run.created, run_name=run.name[:250], tags=dict(_identity(run))
                )
                native_id = created.info.run_id
            sent = Sent(run.directory, native_id, run.segment)
            self._runs[run.directory] = _OpenRun(client, native_id, uri, experiment, sent)
            return Opened(native_id, url=_url(uri, experiment, native_id))

    def _continue(self, client: MlflowClient, run: RunInfo, native: Any) -> None:
        """Open a run again, under the name and notes that it has by now."""
        name = run.name[:250]
        if native.info.status != "RUNNING" or native.info.run_name != name:
            client.update_run(native.info.run_id, status="RUNNING", name=name)
        if run.notes and native.data.tags.get("mlflow.note.content") != run.notes:
            client.set_tag(native.info.run_id, "mlflow.note.content", run.notes)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> list[str]:
        """Params as text; too long ones as artifacts; ones that MLflow already has otherwise as tags."""
        from mlflow.entities import Param  # noqa: PLC0415 - the SDK is imported on first use

        native = self._runs[run.directory]
        stand_ins: list[str] = []
        with translated(native.uri, run.options.timeout):
            params: dict[str, str] = {}
            for record in records:
                for key, value in typed_params(record).items():
                    params[self._name(native, key)] = text = _text(value)
                    whole = record.objects[key].whole if key in record.objects else None
                    if whole is not None:
                        path = f"params/{native_name(key)}.txt"
                        native.client.log_text(native.id, whole, path)
                        stand_ins.append(f"param {key}: an object of {len(whole)} characters, kept as artifact {path}")
                    elif len(text) > PARAM_LENGTH:
                        path = f"params/{native_name(key)}.txt"
                        native.client.log_text(native.id, text, path)
                        params[self._name(native, key)] = pointer(path, text)
                        stand_ins.append(f"param {key}: {len(text)} characters, kept as artifact {path}")
            for some in _batches([Param(*item) for item in params.items()], OTHERS_A_BATCH):
                try:
                    native.client.log_batch(native.id, params=some, synchronous=True)
                except Exception as error:
                    if not is_changed_param(error):
                        raise
                    stand_ins += self._log_singly(native, some)
        return stand_ins

    def _log_singly(self, native: _OpenRun, params: Iterable[Any]) -> list[str]:
        """After a refused batch, which MLflow rolls back whole: each by itself, refused ones as tags."""
        stand_ins = []
        for param in params:
            try:
                native.client.log_param(native.id, param.key, param.value)
            except Exception as error:
                if not is_changed_param(error):
                    raise
                tag = f"multitrack.param.{param.key}"
                self._set_tags(native, {tag: param.value})
                stand_ins.append(f"param {param.key}: MLflow has another value (of autologging?), ours is tag {tag}")
        return stand_ins

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> list[str]:
        """A point for each value; simple metrics count their writes as steps, so that the last one is the latest."""
        from mlflow.entities import Metric as NativeMetric  # noqa: PLC0415 - the SDK is imported on first use

        native = self._runs[run.directory]
        points: list[tuple[Place, NativeMetric]] = []
        with translated(native.uri, run.options.timeout):
            exact = _Exact()
            for record in records:
                for place, (key, value) in enumerate(record.numbers.items()):
                    step = record.earlier[key] if record.step is None else record.step
                    shown = f"{key}/summary" if key in record.beside else key
                    point = NativeMetric(self._name(native, shown), _double(value), record.time, step)
                    points.append(((record.ordinal, place), point))
                    if type(value) is not float or not math.isfinite(value):  # rare
                        exact.look(shown, value, step, record.ordinal, place)
            self._log_points(native, "metrics", points)
            return self._note_exact(native, exact)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> list[str]:
        """A point for each value, its index as the step."""
        from mlflow.entities import Metric as NativeMetric  # noqa: PLC0415 - the SDK is imported on first use

        native = self._runs[run.directory]
        points: list[tuple[Place, NativeMetric]] = []
        with translated(native.uri, run.options.timeout):
            exact = _Exact()
            for record in records:
                name = self._name(native, record.name)
                for place, value in enumerate(record.numbers):
                    step = record.index + place
                    points.append(((record.ordinal, place), NativeMetric(name, _double(value), record.time, step)))
                    if type(value) is not float or not math.isfinite(value):  # rare
                        exact.look(record.name, value, step, record.ordinal, place)
            self._log_points(native, "lists", points)
            return self._note_exact(native, exact)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> list[str]:
        """A tag with all that is known of it; inputs appear as MLflow's datasets too."""
        native = self._runs[run.directory]
        stand_ins: list[str] = []
        with translated(native.uri, run.options.timeout):
            tags = {}
            for record in records:
                told = {
                    "uri": record.uri,
                    "kind": record.kind,
                    "role": record.role,
                    "digest": record.digest,
                    "size": record.size,
                }
                tags[f"multitrack.artifact.{self._name(native, record.name)}"] = json.dumps(told, ensure_ascii=False)
                if record.pending:  # it comes again, with its digest, and MLflow takes nothing back
                    continue
                if record.role == "input":
                    self._log_input(native, record)
                self._upload(native, run.options, record)
            stand_ins += self._set_tags(native, tags)
        return stand_ins

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Files of a thousand lines under ``logs/``."""
        native = self._runs[run.directory]
        with translated(native.uri, run.options.timeout):
            native.lines.write(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> list[str]:
        """Tags under their own names."""
        native = self._runs[run.directory]
        with translated(native.uri, run.options.timeout):
            tags = {self._name(native, key): value for record in records for key, value in record.values.items()}
            return self._set_tags(native, tags)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """MLflow nests runs by a tag."""
        with translated(str(run.options.tracking_uri), run.options.timeout):  # perhaps after close_run
            self._client(run).set_tag(str(run.backend_id), "mlflow.parentRunId", parent_id)

    @hookimpl
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """By our tag."""
        with translated(str(run.options.tracking_uri), run.options.timeout):
            client = self._client(run)
            found = _search(client, self._experiment(client, run), run_id)
            return next((str(one.info.run_id) for one in found), None)

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Status and end time, set last: an autologging session on the same run may have ended it early."""
        native = self._runs[run.directory]
        with translated(native.uri, run.options.timeout):
            for one in _search_own(native.client, native.experiment, run):
                # A slow server may have carried out a create_run long after we stopped waiting for its answer.
                if one.info.run_id != native.id and not one.data.metrics and not one.data.params:
                    native.client.delete_run(one.info.run_id)
            native.client.set_terminated(native.id, _STATUS[status], end_time=time)
        del self._runs[run.directory]

    def _client(self, run: RunInfo) -> MlflowClient:
        uri = str(run.options.tracking_uri)
        with self._lock:  # the SDK's first import and a store's first opening are not for several threads
            if uri not in self._clients:
                if run.context is None or run.context.pid != os.getpid():
                    # Ours alone to set only where the training's own MLflow does not live.
                    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
                mlflow = import_sdk("mlflow")
                from mlflow.tracking import MlflowClient  # noqa: PLC0415

                transport.install()
                path = uris.sqlite_path(uri)
                if path is not None:
                    sqlite.prepare(path, mlflow.__version__)
                native = uris.native_uri(uri)
                client = MlflowClient(tracking_uri=native, registry_uri=native)
                client.search_experiments(max_results=1)  # opens the store once, under the lock
                self._clients[uri] = client
            return self._clients[uri]

    def _experiment(self, client: MlflowClient, run: RunInfo) -> str:
        name = run.options.experiment or run.project
        found = client.get_experiment_by_name(name)
        if found is None:
            path = uris.sqlite_path(str(run.options.tracking_uri))
            # A SQL store without a server would put artifacts into the courier's current directory.
            place = None if path is None else f"{(path.parent / 'mlruns').as_uri()}/{quote(native_name(name), safe='')}"
            try:
                return str(client.create_experiment(name, artifact_location=place))
            except Exception as error:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise error from None
        return str(found.experiment_id)

    def _name(self, native: _OpenRun, name: str) -> str:
        """MLflow's form of a name; the tag with the full one is set the first time."""
        changed = native_name(name)
        if changed != name and name not in native.named:
            self._set_tags(native, {f"multitrack.name.{changed}": name})
            native.named.add(name)
        return changed

    def _set_tags(self, native: _OpenRun, tags: dict[str, str]) -> list[str]:
        """Set tags whose names are MLflow's already."""
        from mlflow.entities import RunTag  # noqa: PLC0415 - the SDK is imported on first use

        stand_ins = []
        for key, value in tags.items():
            if len(value) > TAG_LENGTH:
                path = f"tags/{key}.txt"
                native.client.log_text(native.id, value, path)
                tags[key] = pointer(path, value)
                stand_ins.append(f"tag {key}: {len(value)} characters, kept as artifact {path}")
        for some in _batches([RunTag(*item) for item in tags.items()], OTHERS_A_BATCH):
            native.client.log_batch(native.id, tags=some, synchronous=True)
        return stand_ins

    def _log_points(self, native: _OpenRun, kind: Kind, points: list[tuple[Place, NativeMetric]]) -> None:
        new = [each for each in points if not native.sent.holds(kind, each[0])]
        for some in _batches(new, METRICS_A_BATCH):
            try:
                native.client.log_batch(native.id, metrics=[point for _, point in some], synchronous=True)
            except Exception:
                native.sent.stop()
                raise
            native.sent.note(kind, some[-1][0])

    def _note_exact(self, native: _OpenRun, exact: _Exact) -> list[str]:
        if exact.tags:
            self._set_tags(native, exact.tags)
        return sorted(exact.stand_ins)

    def _log_input(self, native: _OpenRun, record: ArtifactRef) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 - the SDK is imported on first use

        # MLflow tells datasets apart by name and digest, of at most 36 characters; the full one is in the tag.
        digest = (record.digest or record.uri).partition(":")[2][:36] or record.uri[:36]
        dataset = Dataset(
            name=record.name[:500], digest=digest, source_type=urlsplit(record.uri).scheme or "local",
            source=json.dumps({"uri": record.uri}, ensure_ascii=False),
        )  # fmt: skip
        tag = InputTag("mlflow.data.context", record.kind[:255])
        native.client.log_inputs(native.id, [DatasetInput(dataset, [tag])])

    def _upload(self, native: _OpenRun, options: MlflowOptions, record: ArtifactRef) -> None:
        """Upload a local file whose kind the config asks for."""
        if record.kind not in options.upload or not record.uri.startswith("file:///"):
            return
        path = Path(unquote(urlsplit(record.uri).path))
        if path.is_file() and path.stat().st_size <= options.upload_limit:
            native.client.log_artifact(native.id, str(path), artifact_path=native_name(record.kind))


def _search(client: MlflowClient, experiment: str, run_id: str) -> Sequence[Any]:
    """What MLflow has for a run of ours."""
    found: Sequence[Any] = client.search_runs([experiment], f"tags.`{_RUN_TAG}` = '{run_id}'")
    return found


def _search_own(client: MlflowClient, experiment: str, run: RunInfo) -> list[Any]:
    """What MLflow has for this very run: one of another journal may have its id, but did not begin when it did."""
    return [one for one in _search(client, experiment, run.id) if one.info.start_time == run.created]


class _Exact:
    """Values that MLflow's doubles cannot hold, and what stands for them."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.stand_ins: set[str] = set()

    def look(self, name: str, value: float, step: int, ordinal: int, place: int) -> None:
        """Note a value that will be altered, by its record and its place there."""
        if isinstance(value, float):
            if math.isinf(value):
                self.tags["multitrack.infinity"] = "±1.7976931348623157e308 in a metric stands for ±inf"
                self.stand_ins.add(
                    f"metric {name}: ±inf is ±1.7976931348623157e308 in MLflow (tag multitrack.infinity)"
                )
        elif abs(value) > EXACT:
            self.tags[f"multitrack.exact.{ordinal}.{place}"] = json.dumps(
                {"metric": name, "step": step, "value": str(value)}
            )
            self.stand_ins.add(
                f"metric {name}: integers beyond 2**53 are rounded in MLflow, exact in tags multitrack.exact.*"
            )


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond every double
        return math.inf if value > 0 else -math.inf


def _identity(run: RunInfo) -> Iterator[tuple[str, str]]:
    """MLflow's own tags for where a run came from, and ours for what it has none for."""
    yield _RUN_TAG, run.id
    if len(run.name) > 250:
        yield "multitrack.name", run.name
    for key, value in (
        ("multitrack.group", run.group),
        ("mlflow.note.content", run.notes),
        ("multitrack.parent", run.parent),
    ):
        if value:
            yield key, value
    context = run.context
    if context is None:
        return
    yield "mlflow.user", context.user
    yield "mlflow.source.name", context.program or context.executable
    yield "mlflow.source.type", "LOCAL"
    yield "multitrack.host", context.host
    yield "multitrack.command", shlex.join(context.command)[:TAG_LENGTH]
    if context.git is not None:
        yield "mlflow.source.git.commit", context.git.commit
        if context.git.branch:
            yield "mlflow.source.git.branch", context.git.branch
        if context.git.remote:
            yield "mlflow.source.git.repoURL", context.git.remote
        if context.git.dirty is not None:
            yield "multitrack.git.dirty", str(context.git.dirty).lower()


def _text(value: Any) -> str:
    """A param as MLflow's text: like ``str`` for scalars, JSON for lists."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def _url(uri: str, experiment: str, native_id: str) -> str | None:
    if not uri.startswith(("http://", "https://")):
        return None
    return f"{without_credentials(uri).rstrip('/')}/#/experiments/{experiment}/runs/{native_id}"


def _batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
