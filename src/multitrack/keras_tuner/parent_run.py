"""Find the run of a search: the active run, a run of the search's own, or in a worker the chief's run."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from multitrack.errors import RunInUseError
from multitrack.journal.run_ids import new_run_id
from multitrack.keras.guard import put_aside
from multitrack.keras_tuner import distributed
from multitrack.keras_tuner.notes import Notes, Sidecar
from multitrack.recording import lifecycle
from multitrack.recording.active import active_run, disabled_run
from multitrack.recording.run import Run
from multitrack.recording.start import journal_here, start_run

log = logging.getLogger("multitrack")


class ParentRun(NamedTuple):
    """The parent run of a search's trials.

    Attributes:
        run: The run.
        owned: True if the search started the run, and ends it.
        trouble: The error that kept the search from continuing in its original run, if any.
    """

    run: Run
    owned: bool
    trouble: Exception | None = None

    @classmethod
    def of_chief(cls, chief: Sidecar, notes: Notes) -> ParentRun:
        """Join the chief's run from a worker.

        Args:
            chief: The chief's notes.
            notes: The worker's notes, to which the parent is added.
        """
        if notes.own.search != chief.search:
            notes.own = Sidecar(search=chief.search)
        notes.own.parent = chief.parent
        return cls(distributed.join(chief), owned=True)

    @classmethod
    def find(cls, tuner: Any, notes: Notes) -> ParentRun:
        """Return the active run, or start or continue a run of the search's own.

        Args:
            tuner: The KerasTuner tuner.
            notes: The notes on the search; its own run is noted there before it begins.

        Raises:
            ConfigError, BackendNotInstalledError, PluginError, JournalError: As ``start_run`` does.
        """
        if lifecycle.last_open() is not None:
            return cls(_active(tuner, notes), owned=False)
        try:
            return cls(_start(tuner, notes), owned=True)
        except RunInUseError as error:  # another process searches in the same directory
            notes.own.parent = None
            return cls(_start(tuner, notes), owned=True, trouble=error)


def _active(tuner: Any, notes: Notes) -> Run:
    run, earlier = active_run(), notes.own.parent
    if earlier not in (None, run.id) and notes.own.begun:
        log.warning(
            "multitrack: the search in %s began in run %s and continues in the active run %s; "
            "start_run(run_id=%r) continues the original run",
            tuner.project_dir, earlier, run.id, earlier,
        )  # fmt: skip
    return run


def _start(tuner: Any, notes: Notes) -> Run:
    own, notes.journal = notes.own, journal_here()
    if own.parent is not None and own.begun and not notes.is_recorded(own.parent):
        log.warning(
            "multitrack: run %s, of the search in %s, is not in the journal %s: the search goes on as a new run",
            own.parent, tuner.project_dir, notes.journal,
        )  # fmt: skip
        own = notes.own = Sidecar.fresh()
    # A run that was opened by other code and is continued here keeps its name.
    name = tuner.project_name if own.parent is None or own.owned else None
    if own.parent is None:  # noted before it begins, so that a kill in between does not lead to a second run
        own.parent, own.owned, own.begun = new_run_id(), True, False
        try:
            notes.save()
        except OSError as error:
            put_aside(disabled_run(), "the search's multitrack.json", error)
    return start_run(name=name, group=own.search, run_id=own.parent)
