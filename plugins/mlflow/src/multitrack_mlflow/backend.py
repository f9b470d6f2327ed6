"""The hooks: map each kind of record to MLflow.

Every write is idempotent. MLflow identifies a point by (run, key, step, ms, value), and times and steps come from the
journal. Params and tags are set to the same values again, and line files are written whole. So ``flush`` has nothing to
do, and a lane continues at its saved position. Points beyond that position are slow to write again, and are skipped
(:mod:`multitrack_mlflow.progress`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from multitrack.hookspecs import Opened, RunInfo, Source
from multitrack.markers import hookimpl
from multitrack.plugins import require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, ModelVersion, Params, Status, Tags, typed_params
from multitrack_mlflow.calls import calling
from multitrack_mlflow.identity import NAME_LENGTH, identity_tags, run_url
from multitrack_mlflow.options import ENVIRONMENT, MlflowOptions
from multitrack_mlflow.values import LARGEST, ExactNumbers, double, param_text

# The rest is imported when a run is delivered: a training process needs only the options, and has 10 ms for it.
if TYPE_CHECKING:
    from mlflow.entities import Metric as NativeMetric
    from mlflow.tracking import MlflowClient

    from multitrack_mlflow.clients import Clients
    from multitrack_mlflow.progress import Place
    from multitrack_mlflow.run import MlflowRun

_STATUS: Final = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


class MlflowBackend:
    """Delivers to MLflow. One object serves all runs of a process, on several threads."""

    name = "mlflow"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: Clients | None = None
        self._runs: dict[Path, MlflowRun] = {}  # by the lane's directory: ids may repeat in another journal

    def _client(self, run: RunInfo) -> MlflowClient:
        from multitrack_mlflow.clients import Clients  # noqa: PLC0415 - see above

        with self._lock:  # there is one, because it has the lock under which the SDK is imported
            self._clients = self._clients or Clients()
        return self._clients.of(run)

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
        """Find the run by its multitrack tag, or create it with the training's identity."""
        from multitrack_mlflow.clients import experiment_of, search_own  # noqa: PLC0415 - see above
        from multitrack_mlflow.progress import Sent, noted_run  # noqa: PLC0415
        from multitrack_mlflow.run import MlflowRun  # noqa: PLC0415

        uri = str(run.options.tracking_uri)
        with calling(uri, run.options.timeout):
            client = self._client(run)
            experiment = experiment_of(client, run)
            # create_run is not idempotent; the lane's lock prevents others from creating the run meanwhile
            found: dict[str, Any] = {one.info.run_id: one for one in search_own(client, experiment, run)}
            noted = noted_run(run.directory)
            if found:
                native_id = noted if noted in found else next(iter(found))
                _continue(client, run, found[native_id])
            else:
                created = client.create_run(
                    experiment, start_time=run.created, run_name=run.name[:NAME_LENGTH], tags=dict(identity_tags(run))
                )
                native_id = created.info.run_id
            sent = Sent(run.directory, native_id, run.segment)
            self._runs[run.directory] = MlflowRun(client, native_id, uri, experiment, sent)
            return Opened(native_id, url=run_url(uri, experiment, native_id))

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> list[str]:
        """Write params as text, too long ones as artifacts, and those with another value in MLflow as tags."""
        native = self._runs[run.directory]
        stand_ins: list[str] = []
        with calling(native.uri, run.options.timeout):
            params: dict[str, str] = {}
            for record in records:
                for key, value in typed_params(record).items():
                    whole = record.objects[key].whole if key in record.objects else None
                    params[native.name(key)], said = native.shortened(key, param_text(value), whole)
                    stand_ins += said
            return stand_ins + native.log_params(params)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> list[str]:
        """Write a point per value. The step of a simple metric is its count of earlier writes, so the last one wins."""
        from mlflow.entities import Metric as NativeMetric  # noqa: PLC0415 - the SDK is imported on first use

        native = self._runs[run.directory]
        points: list[tuple[Place, NativeMetric]] = []
        with calling(native.uri, run.options.timeout):
            exact = ExactNumbers()
            for record in records:
                for place, (key, value) in enumerate(record.numbers.items()):
                    step = record.earlier[key] if record.step is None else record.step
                    shown = f"{key}/summary" if key in record.beside else key
                    point = NativeMetric(native.name(shown), double(value), record.time, step)
                    points.append(((record.ordinal, place), point))
                    if type(value) is not float or not -LARGEST < value < LARGEST:  # rare
                        exact.look(shown, value, step, record.time, (record.ordinal, place))
            return native.log_points("metrics", points, exact)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> list[str]:
        """Write a point per value, with its index as the step."""
        from mlflow.entities import Metric as NativeMetric  # noqa: PLC0415 - the SDK is imported on first use

        native = self._runs[run.directory]
        points: list[tuple[Place, NativeMetric]] = []
        with calling(native.uri, run.options.timeout):
            exact = ExactNumbers()
            for record in records:
                name = native.name(record.name)
                for place, value in enumerate(record.numbers):
                    step = record.index + place
                    points.append(((record.ordinal, place), NativeMetric(name, double(value), record.time, step)))
                    if type(value) is not float or not -LARGEST < value < LARGEST:  # rare
                        exact.look(record.name, value, step, record.time, (record.ordinal, place))
            return native.log_points("lists", points, exact)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> list[str]:
        """Write references as tags with all their fields, inputs also as MLflow datasets; upload files if asked to."""
        import json  # noqa: PLC0415 - see above

        from multitrack_mlflow.uploads import REFERENCE  # noqa: PLC0415

        native = self._runs[run.directory]
        stand_ins: list[str] = []
        with calling(native.uri, run.options.timeout):
            tags = {}
            for record in records:
                fields = {
                    "uri": record.uri,
                    "kind": record.kind,
                    "role": record.role,
                    "digest": record.digest,
                    "version": record.version,
                    "size": record.size,
                }
                if not record.pending:  # delivered again with its digest; a dataset cannot be changed in MLflow
                    if record.role == "input":
                        native.log_input(record)
                    path, sentence = native.uploads.upload(run.options, record)
                    if path is not None:
                        fields["artifact"] = path
                    if sentence is not None:
                        stand_ins.append(sentence)
                tags[f"{REFERENCE}{native.name(record.name)}"] = json.dumps(fields, ensure_ascii=False)
            return stand_ins + native.set_tags(tags)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        """Write lines to files of 1000 lines under ``logs/``."""
        native = self._runs[run.directory]
        with calling(native.uri, run.options.timeout):
            native.lines.write(records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> list[str]:
        """Set tags under their own names."""
        native = self._runs[run.directory]
        with calling(native.uri, run.options.timeout):
            tags = {native.name(key): value for record in records for key, value in record.values.items()}
            return native.set_tags(tags)

    @hookimpl
    def register_models(self, run: RunInfo, models: Sequence[ModelVersion]) -> list[str]:
        """Show the versions on the run, and register them if ``register_models`` says so."""
        from multitrack_mlflow.models import register, show_versions  # noqa: PLC0415 - see above

        native = self._runs[run.directory]
        with calling(native.uri, run.options.timeout):
            stand_ins = show_versions(native, models)
            return stand_ins + (register(native.client, run, models) if run.options.register_models else [])

    @hookimpl
    def set_model_alias(self, run: RunInfo, model: ModelVersion, alias: str, present: bool) -> bool:
        """Set or remove the alias of a registered version, if ``register_models`` says so."""
        if run.options.register_models:
            from multitrack_mlflow.models import set_alias  # noqa: PLC0415 - see above

            with calling(str(run.options.tracking_uri), run.options.timeout):
                set_alias(self._client(run), model, alias, present=present)
        return bool(run.options.register_models)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Set the tag by which MLflow nests runs."""
        with calling(str(run.options.tracking_uri), run.options.timeout):  # perhaps after close_run
            self._client(run).set_tag(str(run.backend_id), "mlflow.parentRunId", parent_id)

    @hookimpl
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """Find a run by its multitrack tag."""
        from multitrack_mlflow.clients import experiment_of, search_runs  # noqa: PLC0415 - see above

        with calling(str(run.options.tracking_uri), run.options.timeout):
            client = self._client(run)
            found = search_runs(client, experiment_of(client, run), run_id)
            return next((str(one.info.run_id) for one in found), None)

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Set status and end time. They come last, since autologging on the same run may have ended it early."""
        from multitrack_mlflow.clients import search_own  # noqa: PLC0415 - see above

        native = self._runs[run.directory]
        with calling(native.uri, run.options.timeout):
            for one in search_own(native.client, native.experiment, run):
                # A slow server may have executed a create_run long after its timeout.
                if one.info.run_id != native.id and not one.data.metrics and not one.data.params:
                    native.client.delete_run(one.info.run_id)
            native.client.set_terminated(native.id, _STATUS[status], end_time=time)
        del self._runs[run.directory]

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the run by MLflow's client."""
        from multitrack_mlflow.source import MlflowSource  # noqa: PLC0415 - a training process does not need it

        return MlflowSource(str(run.options.tracking_uri), run.backend_id, dict(identity_tags(run)))

    @hookimpl
    def open_source(self, address: str, tracker: str | None) -> Source | None:
        """Open a database, a server, or a file store; see :mod:`multitrack_mlflow.opening`."""
        if tracker not in (None, self.name):
            return None
        from multitrack_mlflow.opening import open_store  # noqa: PLC0415 - a training process does not need it

        return open_store(address, is_named=tracker is not None)


def _continue(client: MlflowClient, run: RunInfo, native: Any) -> None:
    """Open a run again, with its current name and notes."""
    name = run.name[:NAME_LENGTH]
    if native.info.status != "RUNNING" or native.info.run_name != name:
        client.update_run(native.info.run_id, status="RUNNING", name=name)
    if run.notes and native.data.tags.get("mlflow.note.content") != run.notes:
        client.set_tag(native.info.run_id, "mlflow.note.content", run.notes)
