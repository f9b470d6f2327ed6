"""Read the runs in a log directory of TensorBoard, whoever wrote them."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack.records import ArtifactRef, Lines, Metric, Params, ParamType, Status, Tags, number_to_json
from multitrack_tensorboard import tags
from multitrack_tensorboard.hparams import END, START
from multitrack_tensorboard.internals import load_sdk
from multitrack_tensorboard.reading import Value, read_values
from multitrack_tensorboard.texts import decode_lines, decode_table

#: Directories that a run has for its parts: Keras writes the first two.
_PARTS: Final = ("train", "validation", "test", "eval", "val")
_FILES: Final = "*tfevents*"
# Numbers of Status in TensorBoard's protocol buffers.
_STATUS: Final[dict[int, Status]] = {1: "finished", 2: "failed", 3: "running"}


class TensorboardSource:
    """The runs of a log directory: its directories with event files.

    ``train`` and ``validation`` of one directory are one run, with their names in front of the tags.

    Args:
        logdir: The log directory, or an event file.
        only: The directory below it whose run is read alone, ``""`` for itself; default: all below it.

    Attributes:
        tracker: ``tensorboard``.
        address: The log directory.
        notes: None.

    Raises:
        SourceError: If there is no event file.
    """

    tracker = "tensorboard"
    notes = ()

    def __init__(self, logdir: Path, only: str | None = None) -> None:
        self.address = f"{logdir}#{only}" if only else str(logdir)
        self._logdir = logdir
        self._runs = find_runs(logdir) if only is None else find_run(logdir / only)
        self._facts: dict[str, _Facts] = {}
        if not self._runs:
            raise SourceError(f"{logdir / (only or '')} has no event files of TensorBoard (*tfevents*)")

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs by their directories."""
        for directory, files in self._runs.items():
            try:
                facts = _Facts(files)
            except OSError as error:
                yield Gap(f"{directory}: {error.strerror}; it was not imported")
                continue
            if facts.began is None:
                reason = f"{directory}: there is no value in its event files; it was not imported"
                yield Gap(reason, is_empty=not facts.damage)
                continue
            run = facts.run(directory, self._project_of(directory))
            self._facts = {run.id: facts}
            yield run

    def _project_of(self, directory: Path) -> str:
        """The directories between the log directory and the run's; else the log directory's name."""
        if directory == self._logdir or directory.parent == self._logdir or self._logdir not in directory.parents:
            return self._logdir.name if self._logdir.is_dir() else directory.parent.name
        return directory.parent.relative_to(self._logdir).as_posix()

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield the records of each event file in its order, the oldest file first."""
        facts = self._facts[run.id]
        yield from facts.params()
        left_out: Counter[tuple[str, str]] = Counter()
        for path, prefix in facts.files:
            for value in read_values(path, []):
                if facts.is_ours and value.tag.startswith(tags.OWN):
                    yield from _own(value)
                elif value.number is not None:
                    yield _point(value, prefix, is_ours=facts.is_ours)
                elif value.plugin == "text" and value.texts:
                    lines = [f"{prefix}{value.tag}: {line}" for line in "\n".join(value.texts).split("\n")]
                    yield Lines(time=value.time, lines=lines)
                elif value.plugin != "hparams" and not value.tag.startswith(("keras", tags.FIGURES)):
                    left_out[prefix + value.tag, value.plugin or "values"] += 1
        for (tag, kind), count in left_out.items():
            yield Gap(f"{tag}: {kind} left out ({count})")
        yield from map(Gap, facts.damage)
        if facts.status is None:
            yield Gap("TensorBoard knows no status: the run counts as finished at its last value")

    def close(self) -> None:
        """Do nothing: every file is closed."""


def find_runs(logdir: Path) -> dict[Path, list[tuple[Path, str]]]:
    """The event files of each run's directory, oldest first, with what stands in front of their tags."""
    if logdir.is_file():
        return {logdir.parent: [(logdir, "")]} if "tfevents" in logdir.name else {}
    found: dict[Path, list[tuple[Path, str]]] = {}
    for path in sorted(filter(_has_values, logdir.rglob(_FILES))):
        directory, prefix = path.parent, ""
        if directory.name in _PARTS and directory != logdir:
            directory, prefix = directory.parent, f"{directory.name}/"
        found.setdefault(directory, []).append((path, prefix))
    return found


def find_run(directory: Path) -> dict[Path, list[tuple[Path, str]]]:
    """As :func:`find_runs`, of the run in one directory."""
    files = [(path, "") for path in directory.glob(_FILES)]
    files += [(path, f"{part}/") for part in _PARTS for path in (directory / part).glob(_FILES)]
    files = sorted(file for file in files if _has_values(file[0]))
    return {directory: files} if files else {}


def _has_values(path: Path) -> bool:
    return path.suffix != ".profile-empty"  # the profiler's


class _Facts:
    """What the files of a run say of it: times, status, params."""

    def __init__(self, files: list[tuple[Path, str]]) -> None:
        self.files = files
        self.began: int | None = None
        self.ended = 0
        self.status: Status | None = None
        self.damage: list[str] = []
        self.own: dict[str, str] = {}
        self._hparams: dict[str, Any] = {}
        message = load_sdk().HParamsPluginData
        for path, _ in files:
            damage: list[int] = []
            for value in read_values(path, damage):
                self.began = value.time if self.began is None else min(self.began, value.time)
                self.ended = max(self.ended, value.time)
                if value.plugin == "hparams" and message is not None:
                    self._add_session(value, message)
                elif value.tag in (tags.RUN, tags.END) and value.texts:
                    self.own |= dict(decode_table(value.tensor))
            self.damage += [f"{path}: damaged at byte {position}; what stands before was read" for position in damage]

    @property
    def is_ours(self) -> bool:
        """True if multitrack wrote the run."""
        return "run id" in self.own

    def run(self, directory: Path, project: str) -> SourceRun:
        """The facts of the run.

        Args:
            directory: Its directory, by which it is known.
            project: The project, unless the files name one.
        """
        own = self.own
        status: Any = own.get("status") or ("running" if self.is_ours else self.status or "finished")
        return SourceRun(
            id=directory.name,
            scope=str(directory.parent),
            project=own.get("project") or project,
            name=own.get("name") or directory.name,
            created=_moment(own.get("started")) or self.began or 0,
            ended=_moment(own.get("ended")) or self.ended,
            status=status,
            group=own.get("group"),
            notes=own.get("notes"),
            user=own.get("user"),
            host=own.get("host"),
            program=own.get("program"),
            commit=own.get("git commit"),
            branch=own.get("git branch"),
            remote=own.get("git remote"),
            run_id=own.get("run id"),
            parent_run_id=own.get("parent"),
        )

    def params(self) -> Iterator[Params]:
        """Yield the params of the HParams tab, unless multitrack wrote them exactly elsewhere."""
        if not self._hparams or self.is_ours:
            return
        values: dict[str, Any] = {}
        types: dict[str, ParamType] = {}
        for key, value in self._hparams.items():
            if isinstance(value, float) and value.is_integer():
                value = int(value)  # the tab has doubles only
            values[key] = value if isinstance(value, (bool, str)) else number_to_json(value)
            types[key] = _type_of(value)
        yield Params(time=self.began or 0, values=values, types=types, source="tensorboard")

    def _add_session(self, value: Value, message: Any) -> None:
        data = message.FromString(value.content)
        if value.tag == START:
            self._hparams |= {
                key: getattr(found, found.WhichOneof("kind"))
                for key, found in data.session_start_info.hparams.items()
                if found.WhichOneof("kind") in ("number_value", "string_value", "bool_value")
            }
        elif value.tag == END:
            self.status = _STATUS.get(data.session_end_info.status)


def _point(value: Value, prefix: str, *, is_ours: bool) -> Metric:
    number: Any = value.number
    if is_ours and value.tag.startswith(tags.SUMMARY):
        return Metric(time=value.time, values={value.tag.removeprefix(tags.SUMMARY): number})
    name = (tags.name_of(value.tag) or value.tag) if is_ours else value.tag
    return Metric(time=value.time, values={f"{prefix}{name}": number}, step=value.step)


def _own(value: Value) -> Iterator[SourceRecord]:
    """Yield the record of a text that multitrack wrote."""
    time = value.time
    if value.tag == tags.PARAMS:
        given = {key: json.loads(text) for key, text in decode_table(value.tensor)}
        values = {key: _plain(found) for key, found in given.items()}
        yield Params(time=time, values=values, types={key: _type_of(found) for key, found in given.items()})
    elif value.tag == tags.TAGS:
        yield Tags(time=time, values=dict(decode_table(value.tensor)))
    elif value.tag == tags.ARTIFACTS:
        fields = dict(decode_table(value.tensor))
        yield ArtifactRef(
            time=time, name=fields["name"], uri=fields["uri"], kind=fields["kind"],
            role="input" if fields["role"] == "input" else "output", digest=fields.get("digest"),
            version=fields.get("version"), size=int(fields["size"]) if "size" in fields else None,
        )  # fmt: skip
    elif value.tag.startswith(tags.LINES):
        lines = [line for text in value.texts for line in decode_lines(text)]
        yield Lines(time=time, lines=lines, stream=value.tag.removeprefix(tags.LINES))


def _plain(value: Any) -> Any:
    return number_to_json(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _type_of(value: Any) -> ParamType:
    kinds: dict[type, ParamType] = {bool: "bool", int: "int", float: "float", str: "str", type(None): "none"}
    return kinds.get(type(value), "list")


def _moment(text: str | None) -> int | None:
    return None if text is None else round(datetime.datetime.fromisoformat(text).timestamp() * 1000)
