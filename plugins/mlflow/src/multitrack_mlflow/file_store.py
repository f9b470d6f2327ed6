"""Read the runs of a file store (``mlruns``), which MLflow 3 no longer opens.

::

    mlruns/<experiment>/meta.yaml                 name, lifecycle_stage
    mlruns/<experiment>/<run>/meta.yaml           run_name, status, start_time, end_time, user_id, artifact_uri
    mlruns/<experiment>/<run>/params/<key>        the value; a key with "/" is a path
    mlruns/<experiment>/<run>/tags/<key>
    mlruns/<experiment>/<run>/metrics/<key>       a line for each point: time in ms, value, step
    mlruns/<experiment>/<run>/inputs/<id>/meta.yaml     destination_id of a dataset
    mlruns/<experiment>/datasets/<id>/meta.yaml   name, digest, source
    mlruns/.trash/<experiment>                    deleted experiments

The layout is that of mlflow/store/tracking/file_store.py, which has not changed since MLflow 2.4.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, Point, SourceRecord, SourceRun, merge_points
from multitrack_mlflow.artifacts import StoredModel, local_directory, local_files
from multitrack_mlflow.stored_run import Dataset, StoredRun, lines_of

#: ``RunStatus`` of mlflow/protos/service.proto.
_STATUS: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


def is_file_store(directory: Path) -> bool:
    """Return True if a directory has experiments of a file store."""
    return any(directory.glob("*/meta.yaml"))


class FileStore:
    """The runs of a file store.

    Args:
        directory: Its directory.
        only: The id of the only run to read; default: all.

    Attributes:
        tracker: ``mlflow``.
        address: The directory.
        notes: None.

    Raises:
        SourceError: If there is no experiment in it.
    """

    tracker = "mlflow"
    notes = ()

    def __init__(self, directory: Path, only: str | None = None) -> None:
        self.address = str(directory)
        self._only = only
        self._directory = directory
        self._runs: dict[str, tuple[StoredRun, Path, Path | None]] = {}
        if not is_file_store(directory):
            raise SourceError(f"{directory} is no file store of MLflow: no experiment has a meta.yaml in it")

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield the runs of all experiments, by experiment and id."""
        for experiment in sorted((*self._directory.glob("*/"), *self._directory.glob(".trash/*/"))):
            if experiment.name in (".trash", "models"):
                continue
            try:
                facts = _read_yaml(experiment / "meta.yaml")
            except FileNotFoundError:
                if not any(experiment.glob("*/meta.yaml")):
                    continue
                yield Gap(f"experiment {experiment.name}: meta.yaml is missing; its runs are named by its id")
                facts = {}
            except (OSError, ValueError) as error:
                yield Gap(f"experiment {experiment.name}: {error}; its runs are named by its id")
                facts = {}
            for directory in sorted(experiment.glob(f"{self._only or '*'}/")):
                if (directory / "meta.yaml").is_file() and directory.name not in ("datasets", "traces"):
                    try:
                        found = _read_run(directory, str(facts.get("name", experiment.name)), experiment)
                    except (OSError, ValueError) as error:
                        yield Gap(f"run {directory.name}: {error}; it was not imported")
                        continue
                    self._runs = {found[0].id: found}
                    yield found[0].run()

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield params, tags and references at the run's start, then points, then lines."""
        stored, directory, artifacts = self._runs[run.id]
        yield from stored.records(lambda path: _text(artifacts, path))
        gaps: list[Gap] = []
        names = stored.full_names
        yield from merge_points(
            _points(directory / "metrics" / key, names.get(key, key), gaps) for key in stored.metrics
        )
        yield from gaps
        for path in sorted((artifacts / "logs").glob("lines-*.txt")) if artifacts and run.run_id else ():
            yield from lines_of(path.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Do nothing: every file is closed."""


def _read_run(directory: Path, experiment: str, place: Path) -> tuple[StoredRun, Path, Path | None]:
    facts = _read_yaml(directory / "meta.yaml")
    missing = [name for name in ("lifecycle_stage", "start_time", "status") if name not in facts]
    if missing:
        raise ValueError(f"meta.yaml has no {missing[0]}: it was copied in part")
    tags = _read_texts(directory / "tags")
    if facts.get("user_id"):
        tags.setdefault("mlflow.user", str(facts["user_id"]))
    # The store may have been moved: files that are in it are found where it is now.
    inside = directory / "artifacts"
    folder = inside if inside.is_dir() else local_directory(str(facts.get("artifact_uri", "")))
    stored = StoredRun(
        id=directory.name,
        experiment=experiment,
        name=str(facts.get("run_name") or tags.get("mlflow.runName") or ""),
        status=_STATUS.get(facts.get("status", 1), "RUNNING"),
        started=int(facts.get("start_time") or 0),
        ended=None if facts.get("end_time") is None else int(facts["end_time"]),
        params=_read_texts(directory / "params"),
        tags=tags,
        metrics=_keys(directory / "metrics"),
        inputs=list(_read_inputs(directory, place)),
        artifacts="" if folder is None else str(folder),
        files=local_files(folder),
        models=list(_read_models(directory, place)),
        deleted=facts.get("lifecycle_stage") == "deleted",
    )
    return stored, directory, folder


def _read_models(directory: Path, experiment: Path) -> Iterator[StoredModel]:
    """The models that a run of MLflow 3 has logged."""
    for path in sorted(directory.glob("outputs/*/meta.yaml")):
        identity = path.parent.name
        model = experiment / "models" / identity
        facts = _read_yaml(model / "meta.yaml") if (model / "meta.yaml").is_file() else {}
        inside = model / "artifacts"
        where = str(inside) if inside.is_dir() else str(facts.get("artifact_location") or "")
        yield StoredModel(str(facts.get("name") or identity), where or f"models:/{identity}", identity)


def _read_inputs(directory: Path, experiment: Path) -> Iterator[Dataset]:
    for path in sorted(directory.glob("inputs/*/meta.yaml")):
        facts = _read_yaml(path)
        dataset = _read_yaml(experiment / "datasets" / str(facts.get("source_id", "")) / "meta.yaml")
        context = facts.get("tags", {})
        yield Dataset(
            str(dataset.get("name", "")), str(dataset.get("digest", "")), str(dataset.get("source", "")),
            str(context.get("mlflow.data.context", "")) if isinstance(context, dict) else "",
        )  # fmt: skip


def _read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of facts.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is damaged.
    """
    import yaml  # noqa: PLC0415 - comes with MLflow

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: it is empty")
    return found


def _keys(folder: Path) -> list[str]:
    """The keys of a folder: the paths of its files."""
    return sorted(
        (Path(above) / name).relative_to(folder).as_posix() for above, _, names in os.walk(folder) for name in names
    )


def _read_texts(folder: Path) -> dict[str, str]:
    found = {}
    for key in _keys(folder):
        with (folder / key).open(encoding="utf-8", errors="replace", newline="") as file:
            found[key] = file.read()
    return found


def _points(path: Path, name: str, gaps: list[Gap]) -> Iterator[Point]:
    """Yield the points of a metric in the order of the file; note lines that are none.

    MLflow appends an old point again when it logs a model with it. Its databases hold such a point once.
    """
    repeated = _repeated(path)
    damaged = 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            parts = line.split()
            try:
                step = int(parts[2]) if len(parts) > 2 else 0
                point = Point(int(parts[0]), step, name, float(parts[1]))
            except (ValueError, IndexError):
                damaged += bool(parts)
                continue
            if number not in repeated:
                yield point
    if damaged:
        gaps.append(Gap(f"metric {name}: {damaged} damaged lines were left out"))


def _repeated(path: Path) -> set[int]:
    """The numbers of the lines that stand behind later points, and are in the file before."""
    late: dict[bytes, list[int]] = {}
    latest = b""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            time = line.split(b" ", 1)[0].rjust(20)
            if time < latest:
                late.setdefault(line.strip(), []).append(number)
            latest = max(time, latest)
    if not late:
        return set()
    first: dict[bytes, int] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if line.strip() in late:
                first.setdefault(line.strip(), number)
    return {number for line, numbers in late.items() for number in numbers if number > first[line]}


def _text(artifacts: Path | None, path: str) -> str | None:
    if artifacts is None:
        return None
    try:
        with (artifacts / path).open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, ValueError):
        return None
