"""Read a run back from its file, without the SDK."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from multitrack.errors import SourceError
from multitrack.hookspecs import RunInfo, SourceRecord, SourceRun
from multitrack_goodseed.names import file_of
from multitrack_goodseed.stored_points import records_of_lines, records_of_series
from multitrack_goodseed.stored_values import SingleValues

_TIMEOUT = 30.0


class GoodseedSource:
    """One run's file. Points and lines are read one by one.

    Args:
        run: The run; ``backend_id`` is its id in goodseed.

    Attributes:
        tracker: ``goodseed``.
        address: The file.
        notes: None.

    Raises:
        SourceError: The file was deleted, or is no database.
    """

    tracker = "goodseed"
    notes = ()

    def __init__(self, run: RunInfo) -> None:
        home, project = Path(run.options.directory), run.options.project or run.project
        path = file_of(home, project, str(run.backend_id))
        self.address = str(path)
        if not path.is_file():
            raise SourceError(f"{path} was deleted: goodseed has nothing of the run")
        with self._named():
            self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_TIMEOUT)

    def runs(self) -> Iterator[SourceRun]:
        """Yield the run.

        Raises:
            SourceError: The file cannot be read.
        """
        with self._named():
            self._values = SingleValues(self._connection)
            run = self._values.run()
        yield run

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield params, tags, references and simple metrics at the run's start, then each series, then lines.

        Raises:
            SourceError: The file cannot be read.
        """
        with self._named():
            yield from self._values.records(run.created)
            yield from records_of_series(self._connection)
            yield from records_of_lines(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Name the file in errors."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            raise SourceError(f"{self.address} cannot be read: {error}") from error
