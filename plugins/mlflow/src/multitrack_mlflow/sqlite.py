"""A new SQLite store without the wait: MLflow's migrations take 5 to 12 s, once per MLflow version and user.

The first time, an empty migrated store is kept in the user's cache; from then on a new store is a copy of it, put in
place by an atomic link. A lock outside the database keeps processes that open a fresh store at once from migrating it
together, which crashes all of them.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from multitrack.security.directories import private_directory
from multitrack_mlflow import internals

log = logging.getLogger("multitrack")


def prepare(path: Path, version: str, uri: str | None = None) -> None:
    """Make sure that a store is there and migrated, or was there before.

    Args:
        path: The SQLite file.
        version: MLflow's version.
        uri: Its tracking URI, as MLflow reads it.

    Raises:
        OSError: Its directory cannot be written.
    """
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    if path.exists() and path.stat().st_size > 0:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    cache = _cache()
    with _locked(cache / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.lock"):
        if path.exists() and path.stat().st_size > 0:
            return
        template = _template(cache, version)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            shutil.copyfile(template, draft)
            # The template's place was gone at once. MLflow itself would make it anew with SQL that it puts together as
            # text, and fails at a quote in a directory's name.
            if not internals.place_artifacts(draft, (path.parent / "mlruns" / "0").as_uri()):
                _open_store(uri or f"sqlite:///{path}")
                return
            path.unlink(missing_ok=True)  # an empty file, as touch or a crashed migration leaves it
            os.link(draft, path)
        except FileExistsError:
            pass  # somebody without our lock was quicker: theirs is as good
        finally:
            draft.unlink(missing_ok=True)


def _open_store(uri: str) -> None:
    """Have MLflow open a store, which makes and migrates it."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the SDK is imported on first use

    logging.getLogger("alembic").setLevel(logging.WARNING)  # a line for each of 60 migrations
    MlflowClient(tracking_uri=uri).search_experiments()


def _template(cache: Path, version: str) -> Path:
    """The empty migrated store of this version, made where it is missing."""
    import tempfile  # noqa: PLC0415 - for the courier; the training process does not need it

    template = cache / f"mlflow-{version}-2.db"
    with _locked(cache / "template.lock"):
        if not template.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                fresh = Path(scratch) / "mlflow.db"
                _open_store(f"sqlite:///{fresh}")
                fresh.replace(template)
    return template


def _cache() -> Path:
    """The user's cache for us; without a usable one a directory that only this process uses.

    An empty store is copied from here, so that whoever can write here could put runs and places of artifacts into it.
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


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
