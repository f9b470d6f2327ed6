"""Create SQLite stores fast: MLflow's migrations, of 5 to 12 s, run once per MLflow version and user.

An empty migrated store is kept in the user's cache. A new store is a copy of it, put in place by an atomic link. A lock
outside the database keeps processes that open a new store at once from migrating it together, which crashes all of
them.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import shutil
from pathlib import Path

from multitrack.journal.locks import locked
from multitrack.security.directories import private_directory
from multitrack_mlflow import internals

log = logging.getLogger("multitrack")


def prepare(path: Path, version: str, uri: str | None = None) -> None:
    """Create a migrated store, unless the file exists.

    Args:
        path: The SQLite file.
        version: MLflow's version.
        uri: The store's tracking URI, as MLflow reads it.

    Raises:
        OSError: The directory cannot be written.
    """
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    if path.exists() and path.stat().st_size > 0:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    cache = _cache()
    with locked(cache / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.lock"):
        if path.exists() and path.stat().st_size > 0:
            return
        template = _template(cache, version)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            shutil.copyfile(template, draft)
            # The template's own artifact location was temporary. MLflow would set a new one with SQL built as text,
            # which fails at a quote in a directory's name.
            if not internals.place_artifacts(draft, (path.parent / "mlruns" / "0").as_uri()):
                _open_store(uri or f"sqlite:///{path}")
                return
            path.unlink(missing_ok=True)  # an empty file, left by touch or a crashed migration
            os.link(draft, path)
        except FileExistsError:
            pass  # created meanwhile by a process without our lock, which is fine
        finally:
            draft.unlink(missing_ok=True)


def _open_store(uri: str) -> None:
    """Open a store with MLflow, which creates and migrates it."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the SDK is imported on first use

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it logs a line for each of 60 migrations
    MlflowClient(tracking_uri=uri).search_experiments()


def _template(cache: Path, version: str) -> Path:
    """Return the empty migrated store of this version, and create it if missing."""
    import tempfile  # noqa: PLC0415 - for the courier; the training process does not need it

    template = cache / f"mlflow-{version}-2.db"
    with locked(cache / "template.lock"):
        if not template.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                fresh = Path(scratch) / "mlflow.db"
                _open_store(f"sqlite:///{fresh}")
                fresh.replace(template)
    return template


def _cache() -> Path:
    """Return our directory in the user's cache, or a directory of this process alone if none is usable.

    It must be private: new stores are copied from it, so a user who can write here could put runs and artifact
    locations into them.
    """
    import tempfile  # noqa: PLC0415 - for the courier; the training process does not need it

    base = os.environ.get("XDG_CACHE_HOME")
    usual = (Path(base) if base else Path("~/.cache").expanduser()) / "multitrack"
    for directory in (usual, Path(tempfile.gettempdir()) / f"multitrack-{os.getuid()}"):
        try:
            return private_directory(directory)
        except OSError as error:
            log.warning("multitrack: MLflow's empty store is not kept in %s: %s", directory, error.strerror)
    return _own_directory()


@functools.cache
def _own_directory() -> Path:
    import tempfile  # noqa: PLC0415 - for the courier; the training process does not need it

    own = tempfile.mkdtemp(prefix="multitrack-")
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(own)
