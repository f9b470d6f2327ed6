"""Write a run with Trackio's public functions, for releases that lack a name of the storage layer.

``trackio.init``, ``log`` and ``finish`` are made for a process with one run and one directory, so each batch is
written by a process of its own (:mod:`multitrack_trackio.public_process`). They keep the time of their call only, and
choose the rows' ids: so each row also has the recorded time and the id that follows from the journal. Rows whose ids
are in the database are not written again. A lock, which that process inherits, lasts as long as any process writes the
run.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from multitrack.errors import RetryableError
from multitrack_trackio.database import Database
from multitrack_trackio.names import OWN
from multitrack_trackio.rows import Held, LogRow
from multitrack_trackio.values import stored, utc

#: Keys of a row: its id, and its recorded time.
ROW: Final = f"{OWN}row"
TIME: Final = f"{OWN}time"
_START: Final = "start"
#: Seconds to wait for another process that writes the run, and for one batch.
_PATIENCE: Final = 60.0
_BATCH: Final = 600.0
_STAND_IN: Final = (
    f"times: this release of Trackio stores the time of the delivery; the recorded one is in each row as {TIME}"
)


class PublicWriter:
    """One run, written with Trackio's public functions.

    Args:
        directory: Trackio's directory.
        project: Trackio's project.
        run_id: The run's id; Trackio tells these runs by their names, so the name ends with it.
        name: The run's name in Trackio, the same for its whole life.
        lane: The lane's directory, for the lock.
        created: Start of the run (ms).
    """

    def __init__(self, directory: Path, project: str, run_id: str, name: str, lane: Path, created: int) -> None:
        self.id = run_id
        self.stand_ins = [_STAND_IN]
        self._directory = directory
        self._project = project
        self._noted_name = lane / "trackio-name.txt"
        self._lock = lane / "trackio.lock"
        self._name = f"{name} ({run_id})"
        self._start = LogRow(_START, created, 0, {})
        self._config: dict[str, Any] = {}
        self._held: set[str] = set()
        self._database = Database(directory / f"{project}.db")
        self._noted_config = lane / "trackio-config.json"

    def open(self) -> Held:
        """Read which rows the run has.

        Raises:
            RetryableError: A process of a killed courier still writes the run.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._noted_name.exists():
            self._name = self._noted_name.read_text(encoding="utf-8")
        else:
            self._noted_name.write_text(self._name, encoding="utf-8")
        with self._locked():
            self._held = set(self._database.texts(self._name, ROW))
        if _START not in self._held:
            return Held({}, complete=False)
        with contextlib.suppress(FileNotFoundError, ValueError):
            return Held(json.loads(self._noted_config.read_bytes()), complete=True)
        return Held({}, complete=False)

    def write(self, rows: list[LogRow], config: dict[str, Any] | None) -> None:
        """Write rows that the run does not have yet, and replace the config.

        Raises:
            RetryableError: Not all rows have arrived.
        """
        new = [row for row in rows if row.id not in self._held]
        if config is not None:
            self._config = {key: value for key, value in config.items() if not key.startswith("_")}
            if _START not in self._held:
                new.insert(0, self._start)
        if not new and config is None:
            return
        if config is not None:
            _replace(self._noted_config, json.dumps(stored(config)))
        batch = {
            "project": self._project, "name": self._name, "config": self._config,
            "rows": [self._described(row) for row in new] or [{"step": 0, "values": {}}],
        }  # fmt: skip
        with self._locked() as lock:
            complaint = self._run(batch, lock)
            self._held = set(self._database.texts(self._name, ROW))
        lost = [row.id for row in new if row.id not in self._held]
        if lost:
            raise RetryableError(f"Trackio did not store {len(lost)} of {len(new)} rows: {complaint}")

    def close(self) -> None:
        """Do nothing: each batch is finished."""

    def _described(self, row: LogRow) -> dict[str, Any]:
        values = {**stored(row.values), ROW: row.id, TIME: utc(row.time)}
        figure = row.figure and {"key": row.figure.key, "source": str(row.figure.source), "caption": row.figure.caption}
        return {"step": row.step, "values": values, "figure": figure}

    def _run(self, batch: dict[str, Any], lock: int | None) -> str:
        """Write a batch in a process of its own, and return the end of its messages."""
        script = Path(__file__).with_name("public_process.py")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRACKIO_")}
        # Offline, Trackio does not ask Hugging Face for the user's name.
        environment |= {"TRACKIO_DIR": str(self._directory), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "default"}
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(script)], input=json.dumps(batch), text=True, env=environment,
                capture_output=True, pass_fds=() if lock is None else (lock,), timeout=_BATCH, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise RetryableError(
                f"Trackio took more than {_BATCH:.0f} seconds for {len(batch['rows'])} rows"
            ) from error
        return done.stderr.strip()[-500:]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int | None]:
        """Hold the run's lock; a process that inherits it holds it, too."""
        try:
            import fcntl  # noqa: PLC0415 - not on Windows
        except ModuleNotFoundError:
            yield None
            return
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + _PATIENCE
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise RetryableError("another process still writes this run to Trackio") from error
                    time.sleep(0.1)
            yield fd
        finally:
            os.close(fd)


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
