"""MLflow's clients, one a store, and finding experiments and runs with them."""

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
        """The client of a run's store; the first time, MLflow is imported and the store opened."""
        uri = str(run.options.tracking_uri)
        with self._lock:  # the SDK's first import and a store's first opening are not for several threads
            if uri not in self._clients:
                # In the training's process, whose own MLflow reads the same variables, none is set.
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
    """The id of a run's experiment, which is made where there is none."""
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


def search_runs(client: MlflowClient, experiment: str, run_id: str) -> Sequence[Any]:
    """MLflow's runs that bear our run id."""
    found: Sequence[Any] = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run_id}'")
    return found


def search_own(client: MlflowClient, experiment: str, run: RunInfo) -> list[Any]:
    """MLflow's runs of this very run: one of another journal may have its id, but did not begin when it did."""
    return [one for one in search_runs(client, experiment, run.id) if one.info.start_time == run.created]
