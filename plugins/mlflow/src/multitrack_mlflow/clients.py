"""MLflow clients, one per store, and lookups of experiments and runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from multitrack.hookspecs import RunInfo
from multitrack.plugins import import_sdk
from multitrack_mlflow import internals, sqlite, transport, uris
from multitrack_mlflow.identity import RUN_TAG
from multitrack_mlflow.names import native_name

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class Clients:
    """The clients of a process, by tracking URI."""

    def __init__(self) -> None:
        self._clients: dict[str, MlflowClient] = {}
        self._lock = threading.Lock()

    def of(self, run: RunInfo) -> MlflowClient:
        """Return the client of a run's store. The first call imports MLflow and opens the store."""
        uri = str(run.options.tracking_uri)
        with self._lock:  # the SDK's first import and a store's first opening are not thread-safe
            if uri not in self._clients:
                # No variable is set in the training process, where the user's MLflow reads the same ones.
                alone = run.context is None or run.context.pid != os.getpid()
                if alone:
                    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
                mlflow = import_sdk("mlflow")
                from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the SDK is imported on first use

                if not transport.install() and not uris.is_sql(uri):
                    transport.limit_by_variables(run.options.timeout, alone=alone)
                path = uris.sqlite_path(uri)
                native = uris.native_uri(uri)
                if path is not None:
                    sqlite.prepare(path, mlflow.__version__, native)
                client = MlflowClient(tracking_uri=native, registry_uri=native)
                internals.silence(client)
                client.search_experiments(max_results=1)  # opens the store once, under the lock
                self._clients[uri] = client
            return self._clients[uri]


def experiment_of(client: MlflowClient, run: RunInfo) -> str:
    """Return the id of a run's experiment, and create it if missing."""
    name = run.options.experiment or run.project
    found = client.get_experiment_by_name(name)
    if found is None:
        path = uris.sqlite_path(str(run.options.tracking_uri))
        # By default a SQL store without a server puts artifacts into the courier's current directory.
        place = None if path is None else f"{(path.parent / 'mlruns').as_uri()}/{quote(native_name(name), safe='')}"
        try:
            return str(client.create_experiment(name, artifact_location=place))
        except Exception as error:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise error from None
    return str(found.experiment_id)


def search_runs(client: MlflowClient, experiment: str, run_id: str) -> Sequence[Any]:
    """Return the MLflow runs with this run id in their multitrack tag."""
    found: Sequence[Any] = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run_id}'")
    return found


def search_own(client: MlflowClient, experiment: str, run: RunInfo) -> list[Any]:
    """Return the MLflow runs of this run. A run of another journal may have the same id, but another start time."""
    return [one for one in search_runs(client, experiment, run.id) if one.info.start_time == run.created]
