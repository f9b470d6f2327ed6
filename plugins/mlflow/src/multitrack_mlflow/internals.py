"""Undocumented names of MLflow, and internals of its store.

==============================================  ========================================================================
name                                            fallback without it
==============================================  ========================================================================
``rest_utils._get_http_response_with_retries``  MLflow's environment variables limit retries and time
                                                (:func:`multitrack_mlflow.transport.limit_by_variables`)
``mlflow_artifacts_repo.get_tracking_uri``      the client's own URI is used, as in 3.17; 2.20 sends a server's
                                                artifacts to the process's tracking URI
``TrackingServiceClient._log_url``              before 3.x, MLflow prints the URL of each ended run to stdout
                                                (:mod:`multitrack_mlflow.clients` sets the variable of later ones)
``TrackingServiceClient.store``                 an import holds the whole history of each metric in memory
                                                (``MlflowClient.get_metric_history``)
``experiments.artifact_location``, a column     MLflow creates the store itself, which takes seconds
                                                (:func:`multitrack_mlflow.sqlite.prepare`)
``validation._validate_…``                      the tracking store accepts what MLflow's clients do not send
``name_utils._generate_random_name``            the tracking store names runs as multitrack does
``entities._DatasetSummary``                    MLflow's page has no list of datasets to filter by
==============================================  ========================================================================
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from multitrack.journal.run_names import random_name as random_run_name

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Module and name of the function with which MLflow's client sends every request to a server.
SEND: Final = ("mlflow.utils.rest_utils", "_get_http_response_with_retries")
#: The function from which an artifact store behind a server gets the server's URI.
ARTIFACTS: Final = ("mlflow.store.artifact.mlflow_artifacts_repo", "get_tracking_uri")

#: The method that prints the URL of an ended run.
PRINT: Final = ("mlflow.tracking._tracking_service.client", "TrackingServiceClient._log_url")
#: The property with the store, which pages the history of a metric.
STORE: Final = ("mlflow.tracking._tracking_service.client", "TrackingServiceClient.store")

#: The checks of a tracking store's arguments.
VALIDATION: Final = "mlflow.utils.validation"
#: The function that names runs.
RANDOM_NAME: Final = ("mlflow.utils.name_utils", "_generate_random_name")
#: The class of a dataset in the list by which MLflow's page filters.
SUMMARY: Final = ("mlflow.entities", "_DatasetSummary")


def replace(place: tuple[str, str], wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
    """Replace a function, once per process.

    Args:
        place: Module and name of the function.
        wrap: Wraps MLflow's function, and sets ``__wrapped__``.

    Returns:
        True if the installed release has the function.
    """
    module, name = _module(place[0]), place[1]
    function = getattr(module, name, None)
    if function is None:
        return False
    if not hasattr(function, "__wrapped__"):
        setattr(module, name, wrap(function))
    return True


def place_artifacts(store: Path, location: str) -> bool:
    """Set the artifact location of all experiments in a SQLite store.

    Args:
        store: The database file, which nothing else may have open.
        location: The URI of the artifacts.

    Returns:
        True if the installed release has the expected column.
    """
    import sqlite3  # noqa: PLC0415 - for the courier; the training process does not need it

    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        try:
            connection.execute("UPDATE experiments SET artifact_location = ?", (location,))
        except sqlite3.OperationalError:
            return False
    return True


def silence(client: MlflowClient) -> None:
    """Stop a client from printing the URLs of runs to stdout, which belongs to the training or the command."""
    inner: Any = getattr(client, "_tracking_client", None)
    if hasattr(inner, "_log_url"):
        inner._log_url = lambda _: None


def history(client: MlflowClient, run_id: str, key: str, page: int, token: str | None) -> tuple[list[Any], str | None]:
    """Return points of a metric by time, and the token of the next page: None after the last one, or without pages.

    Args:
        client: The client.
        run_id: MLflow's id of the run.
        key: The metric.
        page: Number of points in a page.
        token: The token of the page; None for the first one.
    """
    store = getattr(getattr(client, "_tracking_client", None), "store", None)
    if store is not None:
        try:
            found = store.get_metric_history(run_id, key, max_results=page, page_token=token)
        except NotImplementedError:
            pass
        except Exception as error:
            if token is not None or "pagination" not in str(error):  # which the databases of 2.x do not support
                raise
        else:
            return list(found), found.token or None
    points = client.get_metric_history(run_id, key)
    return sorted(points, key=lambda point: (point.timestamp, point.step, point.value)), None


def validate(what: str, *values: Any) -> Any:
    """Check the arguments of a call to a tracking store as MLflow's own stores do.

    Args:
        what: The name of the check in ``mlflow.utils.validation``: ``metric``, ``batch_log_data``.
        *values: The arguments.

    Returns:
        The arguments with texts cut to MLflow's limits, if the check does that; else None.

    Raises:
        MlflowException: If one is invalid.
    """
    check = getattr(_module(VALIDATION), f"_validate_{what}", None)
    return None if check is None else check(*values)


def random_name() -> str:
    """Return a name for a run or a model that was given none."""
    make = _find(*RANDOM_NAME)
    return random_run_name() if make is None else str(make())


def dataset_summary(experiment_id: str, name: str, digest: str, context: str | None) -> Any:
    """Return a dataset as the store's list of them has it; None if the release has none."""
    kind = _find(*SUMMARY)
    return None if kind is None else kind(experiment_id=experiment_id, name=name, digest=digest, context=context)


def missing() -> list[str]:
    """Return the Python names that the installed release lacks."""
    return [".".join(place) for place in (SEND, ARTIFACTS, PRINT, STORE, RANDOM_NAME, SUMMARY) if _find(*place) is None]


def _find(module: str, path: str) -> Any:
    return functools.reduce(lambda found, name: getattr(found, name, None), path.split("."), _module(module))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
