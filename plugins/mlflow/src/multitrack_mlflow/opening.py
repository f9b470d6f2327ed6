"""Recognize a tracking store of MLflow by its address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from multitrack.config import absolute_uri
from multitrack.errors import SourceError
from multitrack.sources.sqlite import columns_of, problem_of
from multitrack_mlflow import uris
from multitrack_mlflow.file_store import FileStore, is_file_store

if TYPE_CHECKING:
    from multitrack.hookspecs import Source

#: The address of a store, and the run in the URL of its page.
_RUN = re.compile(r"(?P<uri>.+?)/?#/(?:experiments/[^/]+/)?runs/(?P<run>[0-9a-f]{32})(?:[/?].*)?")


def open_store(address: str, *, is_named: bool) -> Source | None:
    """Open a tracking store; ``None`` if the address is of another kind.

    Args:
        address: A tracking URI, or the path of a database file, of a directory of a file store, or of one with either;
            with ``#/experiments/ID/runs/ID`` behind it, as in the URL of a run's page, that run alone.
        is_named: True if the user said that it is MLflow's.

    Raises:
        SourceError: If it is MLflow's, or ``is_named``, and cannot be opened.
    """
    match = _RUN.fullmatch(address)
    address, only = (match["uri"], match["run"]) if match else (address, None)
    path = _path(address)
    if path is None:
        scheme = address.partition(":")[0].partition("+")[0]
        if not is_named and (scheme not in uris.SCHEMES or scheme in ("http", "https")):
            return None
        return _open_uri(address, only)
    if path.is_dir():
        for place in (path, path / "mlruns"):
            if is_file_store(place):
                return FileStore(place, only)
        path = path / "mlflow.db"
        if path.is_file() and (problem := problem_of(path)) is not None:
            raise SourceError(problem)
    if path.is_file() and _is_store(path):
        return _open_uri(f"sqlite:///{quote(str(path))}", only)
    if is_named:
        raise SourceError(f"{address} is no store of MLflow: neither a database with experiments, nor an mlruns folder")
    return None


def _open_uri(uri: str, only: str | None) -> Source:
    from multitrack_mlflow.source import MlflowSource  # noqa: PLC0415 - imports the SDK

    uri = absolute_uri(uri)
    path = uris.sqlite_path(uri)
    if path is not None and path.is_file() and (problem := problem_of(path)) is not None:
        raise SourceError(problem)
    try:
        uris.check(uri)
    except ValueError as error:
        raise SourceError(str(error)) from error
    return MlflowSource(uri, only)


def _path(address: str) -> Path | None:
    """The local path of an address; None if it is of another kind."""
    if address.startswith("/"):
        return Path(address)
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _is_store(path: Path) -> bool:
    """Return True if a file is a database with MLflow's table of experiments."""
    return {"experiment_id", "artifact_location", "lifecycle_stage"} <= columns_of(path, "experiments")
