"""Keep notes on a search beside KerasTuner's files, for other processes that continue it or take part in it.

The process with KerasTuner's oracle (a search's only process, or the chief of a distributed search) writes
``multitrack.json``. Each worker of a distributed search writes ``multitrack-<tuner id>.json``. Every process reads all
of them, and no file has two writers. ``overwrite=True`` removes them with everything else in the project's directory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.layout import runs_directory
from multitrack.journal.prepared import prepared
from multitrack.journal.run_ids import new_run_id

FILE: Final = "multitrack.json"


class Sidecar(msgspec.Struct, forbid_unknown_fields=False):
    """One process's notes.

    Attributes:
        search: The search's id, used as the group of its runs.
        parent: The run id of the search.
        owned: True if the search started that run itself.
        begun: True if that run has begun; its id is noted before.
        project: The project of the runs.
        worker_timeout: Of the chief: seconds after which it gives up a silent worker, which sets the workers' pace.
        trials: The run ids of the attempts by this process and the earlier ones it continues, by trial id.
    """

    search: str
    parent: str | None = None
    owned: bool = False
    begun: bool = True
    project: str | None = None
    worker_timeout: float | None = None
    trials: dict[str, list[str]] = {}

    @classmethod
    def fresh(cls) -> Sidecar:
        """Return the notes of a new search."""
        return cls(search=new_run_id())

    @classmethod
    def read(cls, path: Path) -> Sidecar | None:
        """Read notes from ``path``; return ``None`` if there is no such file.

        Raises:
            ValueError: The file is damaged.
            OSError: The file cannot be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=prepared(cls))
        except FileNotFoundError:
            return None


class Notes:
    """All notes on one search, with one file that belongs to this process.

    Args:
        directory: Returns the project's directory. Called each time, since KerasTuner creates it again if removed.
        worker: The tuner id of a worker of a distributed search; ``None`` for the process with the oracle.

    Attributes:
        own: The notes of this process.
        journal: The journal of the search's runs; ``None`` if nothing is recorded.
    """

    def __init__(self, directory: Callable[[], str], worker: str | None = None) -> None:
        self._directory = directory
        self._file = FILE if worker is None else f"multitrack-{worker}.json"
        self.own = Sidecar.fresh()
        self.journal: Path | None = None

    def load(self) -> None:
        """Read the notes of this process, if any.

        Raises:
            ValueError: The file is damaged.
            OSError: The file cannot be read.
        """
        self.own = Sidecar.read(self._path(self._file)) or self.own

    def of_chief(self) -> Sidecar | None:
        """Return the notes of the process with the oracle, or None if there are none."""
        return Sidecar.read(self._path(FILE))

    def save(self) -> None:
        """Write the notes of this process.

        Raises:
            OSError: The file cannot be written.
        """
        if self.journal is not None:
            write_json(self._path(self._file), self.own)

    def keep(self) -> None:
        """Write the notes again if they are gone: a worker that starts with ``overwrite=True`` removes all of them."""
        if not self._path(self._file).exists():
            self.save()

    def sign_of_life(self, worker: str) -> Path:
        """Return the file in which a worker shows that it is alive."""
        return self._path(f"multitrack-{worker}.alive")

    def begin(self, trial_id: str) -> tuple[str, int]:
        """Note another attempt before its run begins, so that a killed attempt is not recorded twice.

        Returns:
            The run id and the 1-based attempt number. An attempt that was noted and never began is used again.

        Raises:
            OSError: The notes cannot be written.
        """
        own = self.own.trials.setdefault(trial_id, [])
        if not own or self.is_recorded(own[-1]):
            own.append(new_run_id())
        self.save()
        return own[-1], self.attempts(trial_id).index(own[-1]) + 1

    def attempts(self, trial_id: str) -> list[str]:
        """Return the run ids of a trial's attempts in all processes, in order."""
        # Not those of every trial: a search of 1,000 would spend most of its time here.
        return sorted({attempt for notes in self._all() for attempt in notes.trials.get(trial_id, ())})

    def trials(self) -> dict[str, list[str]]:
        """Return the run ids of the attempts of every trial, by trial id."""
        found: dict[str, set[str]] = {}
        for notes in self._all():
            for trial_id, attempts in notes.trials.items():
                found.setdefault(trial_id, set()).update(attempts)
        return {trial_id: sorted(found[trial_id]) for trial_id in sorted(found)}  # ids sort by time

    def is_recorded(self, run_id: str) -> bool:
        """Return True if the journal holds this run, or if nothing is recorded."""
        return self.journal is None or (runs_directory(self.journal) / run_id / "manifest.json").exists()

    def _all(self) -> Iterator[Sidecar]:
        yield self.own
        directory = self._directory()
        try:
            names = os.listdir(directory)  # noqa: PTH208 - a Path for each of a thousand trials' directories is slow
        except OSError:
            return
        for name in sorted(name for name in names if name.startswith("multitrack") and name.endswith(".json")):
            if name != self._file:
                with contextlib.suppress(ValueError, OSError):  # reported by the process that owns the file
                    notes = Sidecar.read(self._path(name))
                    if notes is not None and notes.search == self.own.search:  # not an earlier search's
                        yield notes

    def _path(self, file: str) -> Path:
        return Path(self._directory()) / file
