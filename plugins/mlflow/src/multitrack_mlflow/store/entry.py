"""The entry points of MLflow's groups ``mlflow.tracking_store`` and ``mlflow.model_registry_store``.

MLflow loads them whenever it is imported, while its own modules are still incomplete. So this module imports nothing of
MLflow; a store is imported once a ``multitrack:`` URI asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multitrack_mlflow.store.tracking_store import MultitrackStore


def open_store(store_uri: str | None = None, artifact_uri: str | None = None, **_: Any) -> MultitrackStore:
    """Open the tracking store of a ``multitrack:`` URI.

    Args:
        store_uri: The tracking URI: ``multitrack:///path/to/.multitrack``.
        artifact_uri: Where a server keeps artifacts; used unless it only stands for the server itself.
    """
    from multitrack_mlflow.store.tracking_store import MultitrackStore  # noqa: PLC0415 - see above

    return MultitrackStore(store_uri, artifact_uri)


def open_registry(store_uri: str | None = None, **_: Any) -> Any:
    """Open the model registry of a ``multitrack:`` URI: MLflow's own, in a SQLite file beside the journal's runs.

    MLflow's page asks for it on every run, and does not show the run without one.

    Args:
        store_uri: The registry's URI, which is the tracking URI unless the client sets another.
    """
    from mlflow import __version__  # noqa: PLC0415 - see above
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    from multitrack_mlflow import sqlite, uris  # noqa: PLC0415
    from multitrack_mlflow.store.errors import translated  # noqa: PLC0415
    from multitrack_mlflow.store.files import Files, journal_of  # noqa: PLC0415

    with translated():
        path = Files(journal_of(store_uri)).registry
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sqlite.prepare(path, __version__)
    return SqlAlchemyStore(uris.native_uri(uris.sqlite_uri(path)))
