"""Read the runs of a tracking store by MLflow's client: a database or a server."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from multitrack.errors import DeniedError, SourceError
from multitrack.hookspecs import Gap, Point, SourceRecord, SourceRun, merge_points
from multitrack.plugins import import_sdk
from multitrack.security.secrets import without_credentials
from multitrack.security.terminal import excerpt, safe
from multitrack_mlflow import internals, transport, uris
from multitrack_mlflow.artifacts import StoredFile, StoredModel, local_directory, local_files
from multitrack_mlflow.identity import run_url
from multitrack_mlflow.stored_run import Dataset, ExactValue, StoredRun, lines_of
from multitrack_mlflow.values import LARGEST

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Runs and points in a request; servers accept up to 50,000 runs and 25,000 points.
RUNS_A_PAGE = 1000
POINTS_A_PAGE = 20_000
#: Seconds that a request to a server may take, and seconds to wait before it is sent again after an error.
TIMEOUT = 30.0
RETRY_AFTER = (1.0, 2.0, 4.0, 8.0)
#: The words of SQLite about damaged pages (sqlite.org/rescode.html#corrupt).
_MALFORMED = "database disk image is malformed"


class MlflowSource:
    """The runs of a tracking store.

    Args:
        uri: The tracking URI.
        only: MLflow's id of the only run to read; None for all runs.
        facts: The tags that this run got for its user, notes and source; None if nobody knows.

    Attributes:
        tracker: ``mlflow``.
        address: The tracking URI without credentials.
        notes: None.

    Raises:
        SourceError: If the store cannot be opened.
    """

    tracker = "mlflow"
    notes = ()

    def __init__(self, uri: str, only: str | None = None, facts: Mapping[str, str] | None = None) -> None:
        self._facts = facts
        self.address = without_credentials(uri)
        path = uris.sqlite_path(uri)
        if path is not None and not path.is_file():  # MLflow would make an empty store
            raise SourceError(f"{path} does not exist")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import_sdk("mlflow")
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the SDK is imported on first use

        if not transport.install() and not uris.is_sql(uri):
            transport.limit_by_variables(TIMEOUT, alone=True)
        native = uris.native_uri(uri)
        self._uri = uri
        self._is_open = False  # the first request fails at once: the address may be wrong
        self._client: MlflowClient = self._ask(MlflowClient, tracking_uri=native, registry_uri=native)
        self._experiments = {str(each.experiment_id): str(each.name) for each in self._all_experiments()}
        self._is_open = True
        self._stored: dict[str, StoredRun] = {}
        self._only = only

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs of all experiments, by experiment and start time."""
        if self._only is not None:
            yield self._stored_run(self._ask(self._client.get_run, self._only)).run()
            return
        for experiment in self._experiments:
            token = None
            while True:
                page = self._ask(
                    self._client.search_runs,
                    [experiment],
                    run_view_type=3,  # ViewType.ALL: deleted ones as well
                    max_results=RUNS_A_PAGE,
                    order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
                    page_token=token,
                )
                for native in page:
                    stored = self._stored_run(native)
                    self._stored = {stored.id: stored}
                    yield stored.run()
                token = page.token
                if not token:
                    break

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield params, tags and references at the run's start, then points by time, then lines."""
        stored = self._stored.get(run.id) or self._stored_run(self._ask(self._client.get_run, run.id))
        texts = _Artifacts(self._client, run.id)
        if not stored.is_ours:
            folder = local_directory(stored.artifacts)  # MLflow's client would ask for the run again
            files, unlisted = texts.all() if folder is None else (local_files(folder), [])
            yield from unlisted
            stored = msgspec.structs.replace(stored, files=files)
        yield from stored.records(texts.text, self._facts)
        exact = stored.exact_values()
        largest: Counter[str] = Counter()
        damaged: list[Gap] = []
        yield from merge_points(
            _whole_part(stored.full_names.get(key, key), self._history(stored, key, exact, largest), damaged)
            for key in stored.metrics
        )
        yield from damaged
        for name, count in largest.items():
            yield Gap(f"metric {name}: ±{LARGEST:.4g}, which MLflow's databases have for ±inf, kept as it is ({count})")
        for path in texts.list("logs") if run.run_id else ():  # else they are files of somebody else
            text = texts.text(path)
            if text is None:
                yield Gap(f"artifact {path}: cannot be read")
            else:
                yield from lines_of(text)

    def close(self) -> None:
        """Do nothing: MLflow's clients have no end."""

    def _all_experiments(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._ask(self._client.search_experiments, view_type=3, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _stored_run(self, native: Any) -> StoredRun:
        info, data = native.info, native.data
        inputs = getattr(getattr(native, "inputs", None), "dataset_inputs", None) or []
        outputs = getattr(getattr(native, "outputs", None), "model_outputs", None) or []  # MLflow 3
        return StoredRun(
            id=info.run_id,
            experiment=self._experiments.get(str(info.experiment_id), str(info.experiment_id)),
            name=info.run_name or "",
            status=info.status,
            started=info.start_time or 0,
            ended=info.end_time,
            params=dict(data.params),
            tags=dict(data.tags),
            metrics=sorted(data.metrics),
            inputs=[_dataset(each) for each in inputs],
            artifacts=info.artifact_uri or "",
            models=[self._model(each.model_id) for each in outputs],
            deleted=info.lifecycle_stage == "deleted",
            url=run_url(self._uri, info.experiment_id, info.run_id),
        )

    def _model(self, model_id: str) -> StoredModel:
        uri = f"models:/{model_id}"
        try:
            found = self._client.get_logged_model(model_id)
        except Exception:  # noqa: BLE001 - a model that was deleted, which MLflow tells by several errors
            return StoredModel(model_id, uri, model_id)
        return StoredModel(str(found.name or model_id), str(found.artifact_location or uri), model_id)

    def _history(
        self, stored: StoredRun, key: str, exact: Mapping[tuple[str, int], list[ExactValue]], largest: Counter[str]
    ) -> Iterator[Point]:
        name = stored.full_names.get(key, key)
        is_infinity = "multitrack.infinity" in stored.tags
        token = None
        while True:
            points, token = self._ask(internals.history, self._client, stored.id, key, POINTS_A_PAGE, token)
            for point in points:
                value: int | float = point.value
                candidates = exact.get((name, point.step), ())
                whole = next((each for each in candidates if each.stands_for(value, point.timestamp)), None)
                if whole is not None:
                    value = whole.value
                elif abs(value) == LARGEST:
                    if is_infinity:
                        value = math.copysign(math.inf, value)
                    else:
                        largest[name] += 1
                yield Point(point.timestamp, point.step, name, value)
            if token is None:
                return

    def _ask(self, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Call the client; retry an error that may pass.

        Raises:
            SourceError: If the last try fails.
        """
        waits = iter(RETRY_AFTER if self._is_open else ())
        while True:
            try:
                with transport.looked_at(TIMEOUT, self._uri):
                    return call(*arguments, **more)
            except Exception as error:
                cause = transport.hidden(error) or error
                is_damaged = _MALFORMED in str(cause)
                wait = None if is_damaged or isinstance(cause, DeniedError) else next(waits, None)
                if wait is None:
                    text = f"{self.address} cannot be read: {type(cause).__name__}: {excerpt(safe(str(cause)), 300)}"
                    raise (_DamagedError if is_damaged else SourceError)(text) from error
                time.sleep(wait)


class _DamagedError(SourceError):
    """Pages of the database are damaged: what is on others can be read."""


def _whole_part(name: str, history: Iterator[Point], damaged: list[Gap]) -> Iterator[Point]:
    """Yield the points of a metric that can be read; add a gap for those that cannot."""
    try:
        yield from history
    except _DamagedError as error:
        damaged.append(Gap(f"metric {name}: points were left out: {error}"))


class _Artifacts:
    """The text artifacts of one run."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._id = run_id

    def text(self, path: str) -> str | None:
        """The text of an artifact; None if it cannot be read."""
        with tempfile.TemporaryDirectory() as scratch:
            try:
                local = Path(self._client.download_artifacts(self._id, path, scratch))
                with local.open(encoding="utf-8", newline="") as file:  # keeps a lone carriage return
                    return file.read()
            except Exception:  # noqa: BLE001 - MLflow hides the cause; the caller says it of the value
                return None

    def all(self) -> tuple[list[StoredFile], list[Gap]]:
        """The files and directories at the top, by name; a gap if they cannot be listed."""
        try:
            found = self._client.list_artifacts(self._id)
        except Exception as error:  # noqa: BLE001 - whatever the store of artifacts raises
            reason = f"{type(error).__name__}: {excerpt(safe(str(error)), 200)}"
            return [], [Gap(f"its artifacts cannot be listed: {reason}")]
        files = [StoredFile(each.path, bool(each.is_dir), each.file_size) for each in found]
        return sorted(files, key=lambda file: file.path), []

    def list(self, folder: str) -> list[str]:
        """The paths of the files of lines in a folder, in order; none if it cannot be listed."""
        try:
            return sorted(each.path for each in self._client.list_artifacts(self._id, folder) if not each.is_dir)
        except Exception:  # noqa: BLE001 - as above: a store whose artifacts are elsewhere or gone
            return []


def _dataset(given: Any) -> Dataset:
    context = next((tag.value for tag in given.tags or () if tag.key == "mlflow.data.context"), "")
    return Dataset(given.dataset.name, given.dataset.digest, given.dataset.source, context)
