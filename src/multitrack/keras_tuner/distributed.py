"""Support KerasTuner's distributed search: tell chief from workers, and let the workers find the chief's run.

The chief holds the oracle and runs no trial. It starts the search's run before it serves, and ends it. A worker sends
the chief a request, which is answered once the chief serves. It then reads the run id from the chief's notes in the
project's directory, which KerasTuner requires to be shared anyway.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from pathlib import Path
from typing import Any, Final

from keras_tuner.engine.trial import Trial

from multitrack.keras_tuner.notes import Notes, Sidecar
from multitrack.recording.run import Run
from multitrack.recording.start import join_run

log = logging.getLogger("multitrack")

#: Timeout in seconds for the chief's notes to appear to a worker: NFS may cache a file's absence for half a minute.
_APPEARS: Final = 60.0
#: Interval in seconds at which the chief checks that its notes exist.
_LOOK: Final = 0.3


def is_chief() -> bool:
    """Return True if this process is the chief of a distributed search."""
    return "chief" in (_tuner_id() or "")


def worker_id() -> str | None:
    """Return the tuner id of this process, or None if it is not a worker of a distributed search."""
    return None if is_chief() else _tuner_id()


def _tuner_id() -> str | None:
    """Return the tuner id from KerasTuner's environment variables; None if the search is not distributed."""
    return os.environ.get("KERASTUNER_TUNER_ID") if "KERASTUNER_ORACLE_IP" in os.environ else None


def chiefs_notes(tuner: Any, notes: Notes) -> Sidecar | None:
    """Wait until the chief serves, and return its notes on this search; ``None`` if it records nothing."""
    tuner.oracle.get_space()  # waits for the chief; until then the notes may be those of an earlier search
    until = time.monotonic() + _APPEARS
    while True:
        with contextlib.suppress(ValueError, OSError):
            found = notes.of_chief()
            if found is not None and found.parent is not None:
                return found
        if time.monotonic() > until:
            log.warning(
                "multitrack: the chief of the search in %s records nothing: the trials of this worker go under their "
                "own parent run", tuner.project_dir
            )  # fmt: skip
            return None
        time.sleep(0.1)


def join(chief: Sidecar) -> Run:
    """Return the search's run, which the chief has started."""
    return join_run(str(chief.parent), project=chief.project, group=chief.search)


def saved_trial(tuner: Any, trial_id: str) -> Any:
    """Return a trial as saved by the chief, or ``None`` if it is not saved or cannot be read."""
    try:
        return Trial.load(str(Path(tuner.project_dir) / f"trial_{trial_id}" / "trial.json"))
    except Exception:  # noqa: BLE001 - missing or half-written, perhaps on a remote file system
        return None


def with_exact_score(tuner: Any, trial: Any) -> Any:
    """Return the saved trial if it matches a trial sent by the chief, whose numbers are rounded to 32-bit floats."""
    saved = None if trial.score is None else saved_trial(tuner, trial.trial_id)
    if saved is None or saved.status != trial.status or saved.score is None:
        return trial
    return saved if math.isclose(saved.score, trial.score, rel_tol=1e-6) else trial


class NotesRestorer:
    """Restores the chief's notes while it serves: each worker with ``overwrite=True`` removes them."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="multitrack-notes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK):
            with contextlib.suppress(OSError):  # retried at the next interval
                self._notes.keep()
