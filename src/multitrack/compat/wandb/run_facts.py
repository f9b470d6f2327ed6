"""What the run object of W&B's SDK tells of a run: its names, tags, times and places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from multitrack._hints import did_you_mean
from multitrack.compat.omissions import Omissions
from multitrack.compat.wandb.errors import UsageError
from multitrack.recording.run import Run as RecordingRun

#: Calls that a journal has nothing for, and the reason.
_LEFT_OUT: Final = {
    "link_artifact": "a journal has no registry; `multitrack models` has versions of models",
    "link_model": "a journal has no registry; `multitrack models` has versions of models",
    "log_code": "the code at the start is recorded already (docs/recording.md)",
    "mark_preempting": "a journal has no queue",
    "pin_config_keys": "it is about W&B's page",
}


class RunFacts:
    """The facts of a run.

    Args:
        run: The run to record into.
        facts: Values of attributes: ``entity``, ``group``, ``job_type``, ``tags`` and others.
        place: Where the directory of the program's own files is made, once it is asked for.
    """

    def __init__(self, run: RecordingRun, facts: Mapping[str, Any], place: Path) -> None:
        self.run = run
        self.omissions = Omissions(run, "wandb")
        self.resumed = bool(facts.get("resumed"))
        self._facts = dict(facts)
        self._name, self._notes = run.name, facts.get("notes")
        self._tags = tuple(facts.get("tags") or ())
        self._place = place
        self._directory: Path | None = None
        self._is_finished = False

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("_facts", {})
        if name in facts:
            return facts[name]
        if name in _LEFT_OUT:
            return lambda *_, **__: self.omissions.leave_out(name, _LEFT_OUT[name])
        known = sorted({*(each for each in dir(type(self)) if each[0] != "_"), *facts, "config", "settings", "summary"})
        raise AttributeError(
            f"a run of multitrack.compat.wandb has no {name!r}{did_you_mean(name, known)}; "
            f"supported are {', '.join(known)}"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the run itself: callbacks that hold it are copied."""
        return self

    def __repr__(self) -> str:
        return f"<wandb run {self.id} {self.name!r}>"

    @property
    def id(self) -> str:
        """The run id."""
        return self.run.id

    @property
    def project(self) -> str:
        """The project."""
        return self.run.project

    @property
    def path(self) -> str:
        """Entity, project and id."""
        return "/".join(filter(None, (self._facts.get("entity"), self.project, self.id)))

    @property
    def url(self) -> str | None:
        """The run's page in a tracker that has it by now."""
        return next(iter(self.run.urls.values()), None)

    @property
    def disabled(self) -> bool:
        """True if nothing is recorded."""
        return self.run.disabled

    @property
    def start_time(self) -> float:
        """Seconds since the epoch at the start."""
        return self.run.manifest.created / 1000

    @property
    def dir(self) -> str:
        """A directory for files of the program; each becomes a reference at the end."""
        if self._directory is None:
            self._directory = (self._place / "wandb" / f"run-{self.id}" / "files").absolute()
            self._directory.mkdir(parents=True, exist_ok=True)
        return str(self._directory)

    @property
    def name(self) -> str:
        """The readable name; another one is a tag."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = str(name)
        self._set_tags({"wandb/name": self._name})

    @property
    def notes(self) -> str | None:
        """The notes; other ones are a tag."""
        return self._notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._notes = str(notes)
        self._set_tags({"wandb/notes": self._notes})

    @property
    def tags(self) -> tuple[str, ...]:
        """The labels."""
        return self._tags

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        before, self._tags = self._tags, tuple(map(str, tags))
        gone = {tag: "false" for tag in before if tag not in self._tags}  # a journal keeps what was recorded
        self._set_tags({**gone, **{tag: "true" for tag in self._tags if tag not in before}})

    def get_url(self) -> str | None:
        """As :attr:`url`."""
        return self.url

    @property
    def is_finished(self) -> bool:
        """True after the end."""
        return self._is_finished or self.run.status != "running"

    def _set_tags(self, tags: Mapping[str, str]) -> None:
        with self.omissions.attempt("tags"):
            self.run.set_tags(tags)

    def _check(self, call: str) -> None:
        if self.is_finished:
            raise UsageError(f"run {self.id} is finished; {call} needs one that is not: wandb.init(id=…, resume=True)")
