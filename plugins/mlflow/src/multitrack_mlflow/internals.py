"""Undocumented names of MLflow, and what its store looks like inside.

==============================================  ========================================================================
name                                            without it
==============================================  ========================================================================
``rest_utils._get_http_response_with_retries``  MLflow's own variables limit retries and time
                                                (:func:`multitrack_mlflow.transport.limit_by_variables`)
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


def replace_send(wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
    """Replace the function that sends requests, once a process.

    Args:
        wrap: Makes the new function of MLflow's; it sets ``__wrapped__``.

    Returns:
        Whether the installed release has it.
    """
    module, name = _module(SEND[0]), SEND[1]
    send = getattr(module, name, None)
    if send is None:
        return False
    if not hasattr(send, "__wrapped__"):
        setattr(module, name, wrap(send))
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
    return [] if hasattr(_module(SEND[0]), SEND[1]) else [".".join(SEND)]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
