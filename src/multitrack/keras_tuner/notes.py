"""What a search must know when another process goes on with it, or takes part in it: notes beside KerasTuner's files.

Whoever has KerasTuner's oracle (the process of a search, the chief of a distributed one) writes ``multitrack.json``,
each worker of a distributed search ``multitrack-<tuner id>.json``: everybody reads all of them, and no file has two
writers. ``overwrite=True`` removes them with everything else in the project's directory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from multitrack.journal.atomic import write_json
from multitrack.journal.layout import runs_directory
from multitrack.journal.run_ids import new_run_id

FILE: Final = "multitrack.json"


class Sidecar(msgspec.Struct, forbid_unknown_fields=False):
    """One process's notes.

    Attributes:
        search: The search's id: the group of its runs.
        parent: Run id of the search.
        owned: Whether the search started that run itself.
        begun: Whether that run has begun; it is noted before it does.
        project: The project of the runs.
        trials: Run id of each attempt of this process and those before it, by trial id.
    """

    search: str
    parent: str | None = None
    owned: bool = False
    begun: bool = True
    project: str | None = None
    trials: dict[str, list[str]] = {}

    @classmethod
    def fresh(cls) -> Sidecar:
        """Of a search that begins now."""
        return cls(search=new_run_id())

    @classmethod
    def read(cls, path: Path) -> Sidecar | None:
        """What stands in ``path``; ``None`` where there is no such file.

        Raises:
            ValueError: It is damaged.
            OSError: It cannot be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None


class Notes:
    """All notes on one search, of which one file is this process's own.

    Args:
        directory: Gives the project's directory; asked each time, for KerasTuner makes it anew where it was removed.
        worker: The tuner id of a worker of a distributed search; ``None`` for whoever has the oracle.

    Attributes:
        own: This process's.
        journal: Where the search's runs are recorded; ``None`` where nothing is.
    """

    def __init__(self, directory: Callable[[], str], worker: str | None = None) -> None:
        self._directory = directory
        self._file = FILE if worker is None else f"multitrack-{worker}.json"
        self.own = Sidecar.fresh()
        self.journal: Path | None = None

    def load(self) -> None:
        """Read this process's own, where there are any.

        Raises:
            ValueError: They are damaged.
            OSError: They cannot be read.
        """
        self.own = Sidecar.read(self._path(self._file)) or self.own

    def of_chief(self) -> Sidecar | None:
        """The notes of whoever has the oracle."""
        return Sidecar.read(self._path(FILE))

    def save(self) -> None:
        """Write this process's own.

        Raises:
            OSError: They cannot be written.
        """
        if self.journal is not None:
            write_json(self._path(self._file), self.own)

    def keep(self) -> None:
        """Write them again if they are gone: a worker that begins with ``overwrite=True`` removes everybody's."""
        if not self._path(self._file).exists():
            self.save()

    def begin(self, trial_id: str) -> tuple[str, int]:
        """Note another attempt, before its run begins: a run that nobody knows of would come twice.

        Returns:
            The run's id, and the how manieth attempt it is. One that was noted and never began is taken up.
        """
        own = self.own.trials.setdefault(trial_id, [])
        if not own or self.is_recorded(own[-1]):
            own.append(new_run_id())
        self.save()
        return own[-1], self.attempts(trial_id).index(own[-1]) + 1

    def attempts(self, trial_id: str) -> list[str]:
        """Run id of each attempt of a trial, in whatever process, in their order."""
        return self.trials().get(trial_id, [])

    def trials(self) -> dict[str, list[str]]:
        """The same of every trial, by its id."""
        found: dict[str, set[str]] = {}
        for notes in (self.own, *self._others()):
            for trial_id, attempts in notes.trials.items():
                found.setdefault(trial_id, set()).update(attempts)
        return {trial_id: sorted(found[trial_id]) for trial_id in sorted(found)}  # ids sort by time

    def is_recorded(self, run_id: str) -> bool:
        """Whether the journal here has this run; where nothing is recorded, nobody asks."""
        return self.journal is None or (runs_directory(self.journal) / run_id / "manifest.json").exists()

    def _others(self) -> Iterator[Sidecar]:
        own = self._path(self._file)
        for path in sorted(own.parent.glob("multitrack*.json")):
            if path != own:
                with contextlib.suppress(ValueError, OSError):  # theirs to complain of
                    notes = Sidecar.read(path)
                    if notes is not None and notes.search == self.own.search:  # not an earlier search's
                        yield notes

    def _path(self, file: str) -> Path:
        return Path(self._directory()) / file
