"""Undocumented names of MLflow, and what its store looks like inside.

==============================================  ========================================================================
name                                            without it
==============================================  ========================================================================
``rest_utils._get_http_response_with_retries``  MLflow's own variables limit retries and time
                                                (:func:`multitrack_mlflow.transport.limit_by_variables`)
``mlflow_artifacts_repo.get_tracking_uri``      the client's own URI counts, as in 3.17; 2.20 sends a server's
                                                artifacts to the process's tracking URI
``TrackingServiceClient._log_url``              before 3.x, the page of each run that ends is printed to stdout
                                                (:mod:`multitrack_mlflow.clients` sets the variable of later ones)
``experiments.artifact_location``, a column     MLflow makes the store in its place, which takes seconds
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

#: Module and name of the function by which MLflow's client sends every request to a server.
SEND: Final = ("mlflow.utils.rest_utils", "_get_http_response_with_retries")
#: The function that tells an artifact store behind a server where the server is.
ARTIFACTS: Final = ("mlflow.store.artifact.mlflow_artifacts_repo", "get_tracking_uri")

#: The method that prints the page of a run that ends.
PRINT: Final = ("mlflow.tracking._tracking_service.client", "TrackingServiceClient._log_url")


def replace(place: tuple[str, str], wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
    """Replace a function, once a process.

    Args:
        place: Module and name.
        wrap: Makes the new function of MLflow's; it sets ``__wrapped__``.

    Returns:
        Whether the installed release has it.
    """
    module, name = _module(place[0]), place[1]
    function = getattr(module, name, None)
    if function is None:
        return False
    if not hasattr(function, "__wrapped__"):
        setattr(module, name, wrap(function))
    return True


def place_artifacts(store: Path, location: str) -> bool:
    """Set the place of the artifacts of all experiments of a SQLite store.

    Args:
        store: The database, which nothing else has open.
        location: A URI.

    Returns:
        Whether the installed release keeps it where we know.
    """
    import sqlite3  # noqa: PLC0415 - for the courier; the training process does not need it

    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        try:
            connection.execute("UPDATE experiments SET artifact_location = ?", (location,))
        except sqlite3.OperationalError:
            return False
    return True


def silence(client: MlflowClient) -> None:
    """Keep one client from printing the pages of runs to stdout, which is the training's or a command's."""
    inner: Any = getattr(client, "_tracking_client", None)
    if hasattr(inner, "_log_url"):
        inner._log_url = lambda _: None


def missing() -> list[str]:
    """The Python names that the installed release lacks."""
    return [".".join(place) for place in (SEND, ARTIFACTS, PRINT) if _find(*place) is None]


def _find(module: str, path: str) -> Any:
    return functools.reduce(lambda found, name: getattr(found, name, None), path.split("."), _module(module))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
