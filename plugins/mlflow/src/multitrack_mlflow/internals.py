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
``experiments.artifact_location``, a column     MLflow creates the store itself, which takes seconds
                                                (:func:`multitrack_mlflow.sqlite.prepare`)
==============================================  ========================================================================
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Module and name of the function with which MLflow's client sends every request to a server.
SEND: Final = ("mlflow.utils.rest_utils", "_get_http_response_with_retries")
#: The function from which an artifact store behind a server gets the server's URI.
ARTIFACTS: Final = ("mlflow.store.artifact.mlflow_artifacts_repo", "get_tracking_uri")

#: The method that prints the URL of an ended run.
PRINT: Final = ("mlflow.tracking._tracking_service.client", "TrackingServiceClient._log_url")


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


def missing() -> list[str]:
    """Return the Python names that the installed release lacks."""
    return [".".join(place) for place in (SEND, ARTIFACTS, PRINT) if _find(*place) is None]


def _find(module: str, path: str) -> Any:
    return functools.reduce(lambda found, name: getattr(found, name, None), path.split("."), _module(module))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
