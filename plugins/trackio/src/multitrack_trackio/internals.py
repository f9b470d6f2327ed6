"""Undocumented names of Trackio: its storage layer.

``trackio.log`` writes the time of its call, chooses the row's id by itself, and reports no error. The storage layer
below it takes times and ids. It keeps its directory in a global variable, set when the module is first imported, while
a courier serves runs of several directories, and may be a thread of a training that uses Trackio itself. So each
directory gets a private copy of the module, with its own variable; the module that others import is not touched.

If a release lacks one of the names, :mod:`multitrack_trackio.public_way` writes with Trackio's public functions.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from multitrack.plugins import import_sdk

MODULE: Final = "trackio.sqlite_storage"
#: Names in the module, with the parameters that are used. All releases from 0.24.0 to 0.43.0 have them.
NAMES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("TRACKIO_DIR", ()),
    ("SQLiteStorage.get_project_db_path", ("project",)),
    ("SQLiteStorage.init_db", ("project",)),
    ("SQLiteStorage.get_run_config", ("project", "run_id")),
    ("SQLiteStorage.bulk_log",
     ("project", "run", "metrics_list", "steps", "timestamps", "config", "log_ids", "run_id")),
)  # fmt: skip
#: Set to True, it keeps the storage layer from downloading a project that an environment variable names.
LOADED: Final = "_dataset_import_attempted"
_importing: Final = threading.Lock()
_storages: Final[dict[Path, Storage]] = {}


class Storage:
    """Trackio's storage layer for one directory.

    Args:
        module: A copy of the module that no one else uses.
        directory: Trackio's directory.
    """

    def __init__(self, module: ModuleType, directory: Path) -> None:
        module.TRACKIO_DIR = directory  # type: ignore[attr-defined]
        self._storage = module.SQLiteStorage
        setattr(self._storage, LOADED, True)

    def path(self, project: str) -> Path:
        """Return the path of a project's database."""
        return Path(self._storage.get_project_db_path(project))

    def create(self, project: str) -> None:
        """Create a project's database, or bring an earlier release's to the current layout."""
        self._storage.init_db(project)

    def config(self, project: str, run_id: str) -> dict[str, Any]:
        """Return a run's config; empty if there is none."""
        return dict(self._storage.get_run_config(project, None, run_id=run_id) or {})

    def log(
        self, project: str, run: str, run_id: str, rows: list[tuple[str, str, int, dict[str, Any]]],
        config: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        """Add rows in one transaction, except those whose id is there already, and replace the config.

        Args:
            project: The project.
            run: The run's name.
            run_id: The run's id.
            rows: Id, time, step and values of each row; at least one.
            config: The whole config, or ``None`` to leave it unchanged.
        """
        ids, times, steps, values = zip(*rows, strict=True)
        self._storage.bulk_log(
            project=project, run=run, run_id=run_id, metrics_list=list(values), steps=list(steps),
            timestamps=list(times), log_ids=list(ids), config=config,
        )  # fmt: skip


def storage_of(directory: Path) -> Storage | None:
    """Return the storage layer of a directory; ``None`` if the installed release lacks one of the names.

    Raises:
        BackendNotInstalledError: The SDK is missing.
    """
    with _importing:
        import_sdk("trackio")
        if directory not in _storages:
            module = _copy()
            if module is None or _missing(module):
                return None
            _storages[directory] = Storage(module, directory)
        return _storages[directory]


def missing() -> list[str]:
    """Return the names and parameters that the installed release lacks."""
    module = _copy()
    return [MODULE] if module is None else _missing(module)


def _missing(module: ModuleType) -> list[str]:
    lacking = []
    for name, parameters in NAMES:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            lacking.append(name)
        elif parameters:
            known = inspect.signature(found).parameters
            lacking += [f"{name}({parameter}=)" for parameter in parameters if parameter not in known]
    return lacking


def _copy() -> ModuleType | None:
    """Execute the module once more, under no name."""
    spec = None
    with contextlib.suppress(ModuleNotFoundError):
        spec = importlib.util.find_spec(MODULE)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
