"""Small JSON files of the store in a journal, each written whole, and the lock for changing them.

::

    .multitrack/
      mlflow/
        lock                      held while one of these files is changed
        experiments.json          what MLflow knows of experiments beyond their names
        models/<model id>.json    logged models
        registry.db               MLflow's own model registry
      artifacts/<experiment>/<run>/artifacts
      runs/<run id>/mlflow.json   what MLflow knows of a run beyond its records
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.locks import locked
from multitrack.journal.prepared import prepared

T = TypeVar("T", bound=msgspec.Struct)

#: Name of the file in a run's directory.
NOTES = "mlflow.json"


def journal_of(store_uri: str | None) -> Path:
    """Return the journal's directory that a tracking URI names.

    Raises:
        ValueError: If it names none.
    """
    parts = urlsplit(store_uri or "")
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/"):  # multitrack://here/.multitrack, multitrack:.multitrack
        path = os.path.join(unquote(parts.netloc), path.lstrip("/") if parts.netloc else path)  # noqa: PTH118
    if not path:
        raise ValueError(f"{store_uri!r} names no journal; write it as multitrack:///path/to/.multitrack")
    return Path(path).absolute()


class Files:
    """The store's files in one journal.

    Args:
        journal: The journal's directory; made when the first file is written.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.runs = journal / "runs"
        self.experiments = journal / "mlflow" / "experiments.json"
        self.models = journal / "mlflow" / "models"
        self.registry = journal / "mlflow" / "registry.db"
        self.artifacts = journal / "artifacts"
        self._thread = threading.RLock()
        self._depth = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock under which files are read and written again, against other threads and processes."""
        with self._thread:
            if self._depth:
                yield
                return
            home = self.experiments.parent
            for path in (self.journal, home):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(home / "lock"):
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth = 0

    def model(self, model_id: str) -> Path:
        """The file of a logged model; its name is checked, for it may come from a request."""
        return self.models / f"{model_id.replace('/', '_')}.json"


def read(path: Path, kind: type[T]) -> T | None:
    """Read one of the files; None if it does not exist."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=prepared(kind))
    except FileNotFoundError:
        return None


def write(path: Path, value: msgspec.Struct) -> None:
    """Write one of the files whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(path, value)
