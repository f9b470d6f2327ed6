"""A distributed search of KerasTuner: who the processes are, and how the workers find the chief's run.

The chief has the oracle and runs no trial: it starts the search's run before it serves, and ends it. A worker asks it
for something, which it answers once it serves, and then finds the run's id in its notes, in the project's directory,
which KerasTuner needs to be shared anyway.
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

#: Seconds in which the chief's notes appear to a worker: NFS may say for half a minute that a file is not there.
_APPEARS: Final = 60.0
#: Seconds between the chief's looks at them.
_LOOK: Final = 0.3


def is_chief() -> bool:
    """Whether this process is the chief of a distributed search."""
    return "chief" in (_tuner_id() or "")


def worker_id() -> str | None:
    """The tuner id of this process, if it is a worker of a distributed search."""
    return None if is_chief() else _tuner_id()


def _tuner_id() -> str | None:
    """The name that KerasTuner's guide tells the user to give this process, if the search is a distributed one."""
    return os.environ.get("KERASTUNER_TUNER_ID") if "KERASTUNER_ORACLE_IP" in os.environ else None


def chiefs_notes(tuner: Any, notes: Notes) -> Sidecar | None:
    """The notes that the chief has written for this search, once it serves; ``None`` where it records nothing."""
    tuner.oracle.get_space()  # waits for it; until then there may be those of an earlier search
    until = time.monotonic() + _APPEARS
    while True:
        with contextlib.suppress(ValueError, OSError):
            found = notes.of_chief()
            if found is not None and found.parent is not None:
                return found
        if time.monotonic() > until:
            log.warning(
                "multitrack: the chief of the search in %s records nothing: the trials of this worker go under a run "
                "of its own", tuner.project_dir
            )  # fmt: skip
            return None
        time.sleep(0.1)


def join(chief: Sidecar) -> Run:
    """The search's run, which is the chief's."""
    return join_run(str(chief.parent), project=chief.project, group=chief.search)


def saved_trial(tuner: Any, trial_id: str) -> Any:
    """A trial as the chief has saved it; ``None`` where it has not, or one cannot see it."""
    try:
        return Trial.load(str(Path(tuner.project_dir) / f"trial_{trial_id}" / "trial.json"))
    except Exception:  # noqa: BLE001 - not there, half-written, of a remote file system
        return None


def with_exact_score(tuner: Any, trial: Any) -> Any:
    """A trial that the chief has sent, whose numbers came as floats of 32 bits; the saved one, if that is the same."""
    saved = None if trial.score is None else saved_trial(tuner, trial.trial_id)
    if saved is None or saved.status != trial.status or saved.score is None:
        return trial
    return saved if math.isclose(saved.score, trial.score, rel_tol=1e-6) else trial


class NotesRestorer:
    """Writes the chief's notes again while it serves: each worker with ``overwrite=True`` removes them."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="multitrack-notes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop doing so."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK):
            with contextlib.suppress(OSError):  # it is tried again
                self._notes.keep()
