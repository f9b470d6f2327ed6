"""Undocumented names of MLflow, and what its store looks like inside.

==============================================  ========================================================================
name                                            without it
==============================================  ========================================================================
``rest_utils._get_http_response_with_retries``  MLflow's own variables limit retries and time
                                                (:func:`multitrack_mlflow.transport.limit_by_variables`)
``mlflow_artifacts_repo.get_tracking_uri``      the client's own URI counts, as in 3.17; 2.20 sends a server's
                                                artifacts to the process's tracking URI
``experiments.artifact_location``, a column     MLflow makes the store in its place, which takes seconds
                                                (:func:`multitrack_mlflow.sqlite.prepare`)
==============================================  ========================================================================
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: Module and name of the function by which MLflow's client sends every request to a server.
SEND: Final = ("mlflow.utils.rest_utils", "_get_http_response_with_retries")
#: The function that tells an artifact store behind a server where the server is.
ARTIFACTS: Final = ("mlflow.store.artifact.mlflow_artifacts_repo", "get_tracking_uri")


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


def missing() -> list[str]:
    """The Python names that the installed release lacks."""
    return [".".join(place) for place in (SEND, ARTIFACTS) if not hasattr(_module(place[0]), place[1])]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
