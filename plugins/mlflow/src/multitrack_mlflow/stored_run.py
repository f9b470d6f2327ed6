"""A run in MLflow's terms, read as a run and records of multitrack: the reverse of what the backend writes."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack.journal.prepared import prepared
from multitrack.records import ArtifactRef, Lines, Params, ParamType, Status, Tags, number_to_json
from multitrack_mlflow.artifacts import HISTORY, StoredFile, StoredModel, references
from multitrack_mlflow.identity import RUN_TAG
from multitrack_mlflow.uploads import REFERENCE
from multitrack_mlflow.values import LARGEST, double, param_text

STATUS: Final[Mapping[str, Status]] = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "killed",
    "RUNNING": "running",
    "SCHEDULED": "running",
}
#: Tags of MLflow and multitrack that stand for facts of the run, not for labels that somebody gave it.
_FACTS: Final = re.compile(
    r"mlflow\.(runName|user|note\.content|parentRunId|log-model\.history|source\.(name|type|git\.(commit|branch|repoURL)))$"
    r"|multitrack\.(run_id|name$|name\.|group$|parent$|host$|command$|git\.dirty$|artifact\.|exact\.|infinity$|model\.)"
)
#: Those that users set as tags, too, for a description in MLflow's page.
_OFTEN_SET: Final = re.compile(r"mlflow\.(user|note\.content|source\.(name|git\.(commit|branch|repoURL)))$")
#: A value whose text is in an artifact, as :func:`multitrack_mlflow.line_files.pointer` writes it.
_POINTER: Final = re.compile(r"\d+ characters, sha256 [0-9a-f]{16}: artifact (?P<path>\S.*)")
_LINE: Final = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) (?P<stream>\w+) (?P<text>.*)", re.DOTALL)

#: Returns the text of an artifact; None if it cannot be read.
TextOf = Callable[[str], str | None]


class Dataset(msgspec.Struct, frozen=True):
    """A dataset input.

    Attributes:
        name: Its name.
        digest: MLflow's digest.
        source: Where it is, as JSON.
        context: The tag ``mlflow.data.context``.
    """

    name: str
    digest: str
    source: str
    context: str = ""


class StoredRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a client, or the files of a store, give it.

    Attributes:
        id: MLflow's id.
        experiment: The name of its experiment.
        name: Its name.
        status: MLflow's status.
        started: Start time (ms).
        ended: End time (ms); None if it has not ended.
        params: Params by key.
        tags: Tags by key.
        metrics: Keys of the metrics.
        inputs: Dataset inputs.
        artifacts: URI or path of its artifacts.
        files: Those at the top of them.
        models: Models that are beside them.
        deleted: True if it was deleted, and can be restored.
        url: Its web page.
    """

    id: str
    experiment: str
    name: str
    status: str
    started: int
    ended: int | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[str]
    inputs: list[Dataset] = []
    artifacts: str = ""
    files: list[StoredFile] = []
    models: list[StoredModel] = []
    deleted: bool = False
    url: str | None = None

    @property
    def is_ours(self) -> bool:
        """True if multitrack delivered it."""
        return RUN_TAG in self.tags

    @property
    def full_names(self) -> dict[str, str]:
        """The full form of each name that MLflow would have refused, by the name in MLflow."""
        prefix = "multitrack.name."
        return {key.removeprefix(prefix): value for key, value in self.tags.items() if key.startswith(prefix)}

    def run(self) -> SourceRun:
        """The facts of the run."""
        tags = self.tags
        return SourceRun(
            id=self.id,
            project=self.experiment,
            name=tags.get("multitrack.name") or self.name or self.id,
            created=self.started,
            ended=self.ended,
            status=STATUS.get(self.status, "running"),
            parent=tags.get("mlflow.parentRunId"),
            group=tags.get("multitrack.group"),
            notes=tags.get("mlflow.note.content"),
            user=tags.get("mlflow.user"),
            host=tags.get("multitrack.host"),
            program=tags.get("mlflow.source.name"),
            command=_words(tags.get("multitrack.command", "")),
            commit=tags.get("mlflow.source.git.commit"),
            branch=tags.get("mlflow.source.git.branch"),
            remote=tags.get("mlflow.source.git.repoURL"),
            url=self.url,
            run_id=tags.get(RUN_TAG),
            parent_run_id=tags.get("multitrack.parent"),
            deleted=self.deleted,
        )

    def records(self, text_of: TextOf, facts: Mapping[str, str] | None = None) -> Iterator[SourceRecord]:
        """Yield everything but metrics and lines, at the run's start.

        Args:
            text_of: Returns the text of an artifact.
            facts: The tags that multitrack gave the run for its facts. One with another value was set as a tag.
        """
        names = self.full_names
        values: dict[str, Any] = {}
        types: dict[str, ParamType] = {}
        for key, text in self.params.items():
            name = names.get(key, key)
            whole = yield from _whole(f"param {key}", text, text_of)
            values[name], types[name] = typed(whole)
        if values:
            yield Params(time=self.started, values=values, types=types, source="mlflow")
        tags = {}
        for key, text in self.tags.items():
            if not _FACTS.match(key) or (facts is not None and _OFTEN_SET.match(key)):
                whole = yield from _whole(f"tag {key}", text, text_of)
                if facts is None or facts.get(key) != whole:
                    tags[names.get(key, key)] = whole
        if tags:
            yield Tags(time=self.started, values=tags)
        yield from self._references(names)

    def _references(self, names: Mapping[str, str]) -> Iterator[SourceRecord]:
        ours = set()
        for key, text in self.tags.items():
            if key.startswith(REFERENCE):
                native = key.removeprefix(REFERENCE)
                name = names.get(native, native)
                try:
                    fields = msgspec.json.decode(text, type=prepared(_Reference))
                except (msgspec.DecodeError, msgspec.ValidationError):
                    yield Gap(f"tag {key}: is no reference of multitrack's")
                    continue
                ours.add(name)
                yield ArtifactRef(
                    time=self.started, name=name, uri=fields.uri, kind=fields.kind, role=fields.role,
                    digest=fields.digest, version=fields.version, size=fields.size,
                )  # fmt: skip
        if not self.is_ours:  # in ours, the files are texts that MLflow could not hold otherwise
            names_taken = {each.name for each in self.inputs}
            history = self.tags.get(HISTORY)
            yield from references(self.artifacts, self.files, self.models, history, names_taken, self.started)
        for each in self.inputs:
            if each.name not in ours:
                yield ArtifactRef(
                    time=self.started, name=each.name, uri=_place(each.source), kind="dataset", role="input",
                    version=f"mlflow:{each.digest}",
                )  # fmt: skip

    def exact_values(self) -> dict[tuple[str, int], list[ExactValue]]:
        """The exact numbers of points that MLflow alters, by metric and step, as multitrack's tags have them."""
        names, found = self.full_names, dict[tuple[str, int], list[ExactValue]]()
        for key, text in self.tags.items():
            if key.startswith("multitrack.exact."):
                fields = json.loads(text)
                name = str(fields["metric"])
                text = str(fields["value"])
                value = ExactValue(float(text) if "." in text else int(text), fields.get("time"))
                found.setdefault((names.get(name, name), int(fields["step"])), []).append(value)
        return found


class ExactValue(NamedTuple):
    """An integer that MLflow rounds, or the largest float, which MLflow has for infinity.

    Attributes:
        value: The number.
        time: The time of its point; None in a tag without it.
    """

    value: int | float
    time: int | None

    def stands_for(self, number: float, time: int) -> bool:
        """Whether a point of the same metric and step is this one: MLflow's databases have finite numbers only."""
        rounded = max(-LARGEST, min(double(self.value), LARGEST))
        return self.time in (None, time) and number in (rounded, double(self.value))


class _Reference(msgspec.Struct):
    uri: str
    kind: str
    role: Any
    digest: str | None = None
    version: str | None = None
    size: int | None = None


def _whole(what: str, text: str, text_of: TextOf) -> Generator[SourceRecord, None, str]:
    """The whole of a value that is in an artifact because it was too long for MLflow; returns it."""
    match = _POINTER.fullmatch(text)
    if match is None:
        return text
    whole = text_of(match["path"])
    if whole is None:
        yield Gap(f"{what}: its artifact {match['path']} cannot be read, kept as the reference to it")
        return text
    return whole


def _words(command: str) -> list[str]:
    """The words of a command line, as far as MLflow has it: a long one is cut."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def typed(text: str) -> tuple[Any, ParamType]:
    """The number, bool, None or list of which this is the text in MLflow, or the text, in JSON; and its type."""
    if text in ("True", "False"):
        return text == "True", "bool"
    if text == "None":
        return None, "none"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text:
            return number_to_json(value), "int" if kind is int else "float"
    if text.startswith(("[", "{")):
        with contextlib.suppress(ValueError, RecursionError):
            items = json.loads(text)
            if param_text(items) == text:
                return items, "list"
    return text, "str"


def _place(source: str) -> str:
    """The address in a dataset's source; the whole source if there is none."""
    try:
        fields = json.loads(source)
    except ValueError:
        return source
    if isinstance(fields, dict):
        for key in ("uri", "url", "path"):
            if isinstance(fields.get(key), str):
                return str(fields[key])
    return source


def lines_of(text: str) -> Iterator[Lines]:
    """Yield the lines of one of multitrack's files of lines, with their times and streams."""
    import datetime  # noqa: PLC0415 - for the import; the training process does not need it

    for line in text.removesuffix("\n").split("\n"):
        match = _LINE.fullmatch(line)
        if match is not None:
            moment = datetime.datetime.fromisoformat(match["time"])
            yield Lines(time=round(moment.timestamp() * 1000), lines=[match["text"]], stream=match["stream"])
