"""Undocumented names of goodseed: the class that creates a run's file, and the file's tables.

goodseed's public functions write the time of their call, in whole seconds; a run that was killed can never be opened
again with them, because its status stays ``running``. So runs are written into the tables, in transactions of their
own. goodseed's class creates the file and brings an older one to the present layout.

If a release lacks the class, or has other tables, :mod:`multitrack_goodseed.public_way` writes with goodseed's public
functions.
"""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from multitrack.plugins import import_sdk

MODULE: Final = "goodseed.storage"
CLASS: Final = "LocalStorage"
#: The layouts of the file that are known, by the number in ``run_meta``. Releases 0.3.0 to 0.4.0 have this one.
LAYOUTS: Final = frozenset({"1"})
#: The columns that are written or read, by table.
TABLES: Final = {
    "run_meta": {"key", "value"},
    "configs": {"path", "type_tag", "value", "updated_at"},
    "metric_series": {"id", "path"},
    "metric_points": {"series_id", "step", "y", "ts"},
    "string_series": {"id", "path"},
    "string_points": {"series_id", "step", "value", "ts"},
}
_checking: Final = threading.Lock()
_checked: Final[dict[str, bool]] = {}

Create = Callable[[Path], None]
"""Creates a run's file, or brings it to the present layout."""


def creator() -> Create | None:
    """Return the function that creates a run's file; ``None`` if the installed release has another layout.

    Raises:
        BackendNotInstalledError: The SDK is missing.
    """
    import_sdk("goodseed")
    with _checking:
        if "layout" not in _checked:
            _checked["layout"] = not missing()
    return _found() if _checked["layout"] else None


def missing() -> list[str]:
    """Return the names, tables and columns that the installed release lacks."""
    create = _found()
    if create is None:
        return [f"{MODULE}.{CLASS}"]
    with tempfile.TemporaryDirectory(prefix="multitrack-") as directory:
        path = Path(directory, "run.sqlite")
        create(path)
        connection = sqlite3.connect(path)
        try:
            return _missing(connection)
        finally:
            connection.close()


def _missing(connection: sqlite3.Connection) -> list[str]:
    lacking = []
    for table, columns in TABLES.items():
        found = {column for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")}
        lacking += [f"{table}.{column}" for column in sorted(columns - found)]
    if lacking:
        return lacking
    layout = dict(connection.execute("SELECT key, value FROM run_meta")).get("schema_version")
    return [] if layout in LAYOUTS else [f"layout {layout}"]


def _found() -> Create | None:
    with contextlib.suppress(ImportError):
        storage: Any = getattr(importlib.import_module(MODULE), CLASS, None)
        if storage is not None:
            return lambda path: storage(path).close()
    return None
