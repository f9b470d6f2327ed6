"""The mode ``textfile``: a file for each run, for node_exporter's textfile collector."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Final

from multitrack.journal.atomic import write_output
from multitrack_prometheus.exposition import families, registry_of
from multitrack_prometheus.values import RunValues

#: Seconds after which a file is written again, so that it shows what other lanes still have to deliver, and so that its
#: time of change shows that the courier lives.
REFRESH: Final = 5.0
#: Seconds without a change after which a file may be removed for a newer run.
_OLD: Final = 60.0


class Textfiles:
    """Writes the runs of this process into one directory.

    A file outlives its courier: it shows the run's last values until ``max_runs`` newer ones are there.

    Args:
        directory: The directory; it is made if it is missing.
        max_runs: The maximum number of runs in it.

    Attributes:
        url: The directory.
    """

    def __init__(self, directory: Path, max_runs: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._max_runs = max_runs
        self.url = self._directory.as_uri()
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, str], RunValues] = {}
        self._stopped = threading.Event()
        threading.Thread(target=self._refresh, name="multitrack-prometheus", daemon=True).start()
        atexit.register(self._write_all)

    def show(self, values: RunValues) -> list[str]:
        """Write a run's file, unless an earlier courier's is newer; return a sentence if there is no room for it.

        Raises:
            OSError: The file cannot be written.
        """
        with self._lock:
            path = self._path(values)
            if not path.exists() and not self._make_room():
                return [f"not shown: {self._max_runs} other runs are (max_runs) in {self._directory}"]
            self._runs[values.identity] = values
            if values.caught_up:
                _write(path, values)
        return []

    def close(self, values: RunValues) -> list[str]:
        """Write how a run ended.

        Raises:
            OSError: The file cannot be written.
        """
        return self.show(values)

    def stop(self) -> None:
        """Stop writing."""
        self._stopped.set()
        atexit.unregister(self._write_all)

    def _path(self, values: RunValues) -> Path:
        run, journal = values.identity
        return self._directory / f"multitrack-{run}-{journal}.prom"

    def _make_room(self) -> bool:
        """Remove the oldest files that no courier writes any more, until there is room for one more."""
        found = sorted((path.stat().st_mtime, path) for path in self._directory.glob("multitrack-*.prom"))
        for changed, path in found[: max(0, len(found) + 1 - self._max_runs)]:
            if time.time() - changed < _OLD and not self._ended(path):
                return False
            path.unlink(missing_ok=True)
        for draft in self._directory.glob(".multitrack-*.prom.*"):  # of couriers that were killed while they wrote
            with contextlib.suppress(OSError):
                if time.time() - draft.stat().st_mtime > _OLD:
                    draft.unlink()
        return True

    def _ended(self, path: Path) -> bool:
        values = next((values for values in self._runs.values() if self._path(values) == path), None)
        if values is None:
            return b"\nmultitrack_run_end_timestamp_seconds{" in path.read_bytes()
        if values.ended is None:
            return False
        del self._runs[values.identity]
        return True

    def _refresh(self) -> None:
        while not self._stopped.wait(REFRESH):
            self._write_all()

    def _write_all(self) -> None:
        """Write all files again, except those of runs that another courier delivers now, or that need no change."""
        with self._lock:
            for values in list(self._runs.values()):
                if values.superseded:
                    del self._runs[values.identity]
                    continue
                with contextlib.suppress(OSError):  # reported by the next flush of the run
                    if values.caught_up:
                        _write(self._path(values), values)
                if values.ended is not None and not any(lane.pending for lane in values.lane_counts().values()):
                    del self._runs[values.identity]


def _write(path: Path, values: RunValues) -> None:
    from prometheus_client import generate_latest  # noqa: PLC0415 - only in the courier

    write_output(path, generate_latest(registry_of(lambda: families([values]))))
    os.utime(path)
