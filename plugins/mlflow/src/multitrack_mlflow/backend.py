"""The hooks: how each record kind becomes something of MLflow's.

Everything is written so that writing it again changes nothing: a metric's key in MLflow is (run, key, step, ms,
value), and times and steps come from the journal; params and tags are set to what they are; line files are written
whole. So ``flush`` has nothing to do, and a lane goes on where it saved its position; what it has beyond is slow to
write again, and passed over (:mod:`multitrack_mlflow.progress`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from multitrack.hookspecs import Opened, RunInfo
from multitrack.markers import hookimpl
from multitrack.plugins import require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags, typed_params
from multitrack_mlflow.clients import Clients, experiment_of, search_own, search_runs
from multitrack_mlflow.errors import translated
from multitrack_mlflow.identity import NAME_LENGTH, identity_tags, run_url
from multitrack_mlflow.options import ENVIRONMENT, MlflowOptions
from multitrack_mlflow.progress import Place, Sent, noted_run
from multitrack_mlflow.run import MlflowRun
from multitrack_mlflow.values import ExactNumbers, double, param_text

if TYPE_CHECKING:
    from mlflow.entities import Metric as NativeMetric
    from mlflow.tracking import MlflowClient

_STATUS: Final = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


class MlflowBackend:
    """Delivers to MLflow; one object serves all runs of a process, from several threads."""

    name = "mlflow"

    def __init__(self) -> None:
        self._clients = Clients()
        self._runs: dict[Path, MlflowRun] = {}  # by the lane's directory: ids may repeat in another journal

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
            client = self._clients.of(run)
            experiment = experiment_of(client, run)
            # create_run is not idempotent; the lane's lock keeps anybody else from creating it meanwhile
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
        """Params as text; too long ones as artifacts; ones that MLflow already has otherwise as tags."""
        native = self._runs[run.directory]
        stand_ins: list[str] = []
        with translated(native.uri, run.options.timeout):
            params: dict[str, str] = {}
            for record in records:
                for key, value in typed_params(record).items():
                    whole = record.objects[key].whole if key in record.objects else None
                    params[native.name(key)], said = native.shortened(key, param_text(value), whole)
                    stand_ins += said
            return stand_ins + native.log_params(params)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> list[str]:
        """A point for each value; simple metrics count their writes as steps, so that the last one is the latest."""
        from mlflow.entities import Metric as NativeMetric  # noqa: PLC0415 - the SDK is imported on first use

        native = self._runs[run.directory]
        points: list[tuple[Place, NativeMetric]] = []
        with translated(native.uri, run.options.timeout):
            exact = ExactNumbers()
            for record in records:
                for place, (key, value) in enumerate(record.numbers.items()):
                    step = record.earlier[key] if record.step is None else record.step
                    shown = f"{key}/summary" if key in record.beside else key
                    point = NativeMetric(native.name(shown), double(value), record.time, step)
                    points.append(((record.ordinal, place), point))
                    if type(value) is not float or not math.isfinite(value):  # rare
                        exact.look(shown, value, step, record.ordinal, place)
            return native.log_points("metrics", points, exact)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> list[str]:
        """A point for each value, its index as the step."""
        from mlflow.entities import Metric as NativeMetric  # noqa: PLC0415 - the SDK is imported on first use

        native = self._runs[run.directory]
        points: list[tuple[Place, NativeMetric]] = []
        with translated(native.uri, run.options.timeout):
            exact = ExactNumbers()
            for record in records:
                name = native.name(record.name)
                for place, value in enumerate(record.numbers):
                    step = record.index + place
                    points.append(((record.ordinal, place), NativeMetric(name, double(value), record.time, step)))
                    if type(value) is not float or not math.isfinite(value):  # rare
                        exact.look(record.name, value, step, record.ordinal, place)
            return native.log_points("lists", points, exact)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> list[str]:
        """A tag with all that is known of it; inputs appear as MLflow's datasets too."""
        native = self._runs[run.directory]
        with translated(native.uri, run.options.timeout):
            tags = {}
            for record in records:
                fields = {
                    "uri": record.uri,
                    "kind": record.kind,
                    "role": record.role,
                    "digest": record.digest,
                    "size": record.size,
                }
                tags[f"multitrack.artifact.{native.name(record.name)}"] = json.dumps(fields, ensure_ascii=False)
                if record.pending:  # it comes again, with its digest, and MLflow takes nothing back
                    continue
                if record.role == "input":
                    native.log_input(record)
                native.upload(run.options, record)
            return native.set_tags(tags)

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
            tags = {native.name(key): value for record in records for key, value in record.values.items()}
            return native.set_tags(tags)

    @hookimpl
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """MLflow nests runs by a tag."""
        with translated(str(run.options.tracking_uri), run.options.timeout):  # perhaps after close_run
            self._clients.of(run).set_tag(str(run.backend_id), "mlflow.parentRunId", parent_id)

    @hookimpl
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """By our tag."""
        with translated(str(run.options.tracking_uri), run.options.timeout):
            client = self._clients.of(run)
            found = search_runs(client, experiment_of(client, run), run_id)
            return next((str(one.info.run_id) for one in found), None)

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Status and end time, set last: an autologging session on the same run may have ended it early."""
        native = self._runs[run.directory]
        with translated(native.uri, run.options.timeout):
            for one in search_own(native.client, native.experiment, run):
                # A slow server may have carried out a create_run long after we stopped waiting for its answer.
                if one.info.run_id != native.id and not one.data.metrics and not one.data.params:
                    native.client.delete_run(one.info.run_id)
            native.client.set_terminated(native.id, _STATUS[status], end_time=time)
        del self._runs[run.directory]


def _continue(client: MlflowClient, run: RunInfo, native: Any) -> None:
    """Open a run again, under the name and notes that it has by now."""
    name = run.name[:NAME_LENGTH]
    if native.info.status != "RUNNING" or native.info.run_name != name:
        client.update_run(native.info.run_id, status="RUNNING", name=name)
    if run.notes and native.data.tags.get("mlflow.note.content") != run.notes:
        client.set_tag(native.info.run_id, "mlflow.note.content", run.notes)
