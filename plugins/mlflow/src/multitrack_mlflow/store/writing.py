"""Write runs through multitrack's recorder: each record is in the journal before the call returns.

A run that this process created or resumed stays open until its client ends it, or the process does. Anything else that
is written to a run, such as a tag of a finished one, opens it for that call and ends it again with the same status.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from mlflow.entities import Metric
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from multitrack._text import MAX_NAME
from multitrack.config import load_config
from multitrack.journal.layout import is_run
from multitrack.journal.manifest import read_manifest
from multitrack.journal.run_ids import is_run_id
from multitrack.recording.builder import open_run
from multitrack.recording.plan import Request, resolve
from multitrack.recording.run import Run
from multitrack_mlflow.store.errors import invalid, translated
from multitrack_mlflow.store.run_state import STATUS, RunState

#: The journal's status for each of MLflow's that ends a run.
ENDED: Final[dict[str, Literal["finished", "failed", "killed"]]] = {
    STATUS["finished"]: "finished", STATUS["failed"]: "failed", STATUS["killed"]: "killed",
}  # fmt: skip

#: The runs that this process has open, whichever of its stores opened them.
_open: dict[Path, Run] = {}
#: Held while a run is opened for a call: another thread waits, instead of being told that the run is open.
_opening = threading.RLock()


def create(journal: Path, run_id: str, project: str, tags: dict[str, str], name: str) -> None:
    """Start a run with an id of MLflow's, deliver it to the configured backends, and leave it open."""
    parent: Any = tags.get(MLFLOW_PARENT_RUN_ID)
    if parent is not None:
        parent = _parent(journal / "runs" / parent) if is_run_id(parent) else None
    name = name.replace("\0", "")[:MAX_NAME].strip() or run_id
    with translated():
        run = _opened(journal, Request(project=project, name=name, run_id=run_id, parent=parent, tags=tags))
    _open[journal / "runs" / run_id] = run


def resume(state: RunState) -> None:
    """Open a run again, to stay open; nothing happens if it is open in this process."""
    with translated(), _opening:
        if _still_open(state.directory) is None:
            _open[state.directory] = _opened(state.directory.parent.parent, Request(run_id=state.id))


def end(state: RunState, status: str) -> None:
    """End a run with one of MLflow's statuses; a run that has ended gets the new one."""
    with translated(), _opening:
        run = _open.pop(state.directory, None)
        if run is not None and run.status != "running":
            return  # the process's exit ended it just now, and knew how: MLflow's own exit tells less
        if run is None:
            if state.status() == status:
                return
            run = _opened(state.directory.parent.parent, Request(run_id=state.id))
        run.end(ENDED[status])


@contextmanager
def writing(state: RunState) -> Iterator[Run]:
    """Yield the run to write to."""
    with translated():
        run = _still_open(state.directory)
        if run is not None:
            yield run
            return
        with _opening:
            status, ended = ENDED.get(state.read_on().status(), "killed"), state.last_end()
            run = _opened(state.directory.parent.parent, Request(run_id=state.id))
            run.integration.end_at(ended)  # a tag that is set later does not make the run longer
            try:
                yield run
            finally:
                run.end(status)


def log_metrics(run: Run, metrics: Sequence[Metric]) -> None:
    """Record points with the times that the client gave.

    Points of one time and step become one record, as those of one call would. They are ordered by time, because an
    earlier time begins a new segment of the journal.
    """
    for (time, step), points in itertools.groupby(
        sorted(metrics, key=lambda metric: int(metric.timestamp)),
        lambda metric: (int(metric.timestamp), int(metric.step)),
    ):
        values: dict[str, float] = {}
        for point in points:
            if point.key in values:  # a second value of the same name needs a record of its own
                run.integration.log_metrics_at(values, step, time)
                values = {}
            values[point.key] = float(point.value)
        run.integration.log_metrics_at(values, step, time)


def log_params(run: Run, state: RunState, params: dict[str, str]) -> None:
    """Record params; MLflow's rule is multitrack's: a param does not change.

    Raises:
        MlflowException: If one would change; nothing of the call is recorded.
    """
    new = {}
    for key, value in params.items():
        if state.params.get(key) == value:
            continue  # also a number that multitrack recorded, of which MLflow's clients know the text
        if run.integration.would_change({key: value}):
            raise invalid(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with "
                f"value='{state.params.get(key)}' for run ID='{state.id}'. Attempted logging new value '{value}'."
            )
        new[key] = value
    if new:
        run.log_params(new, source="mlflow")


def _still_open(directory: Path) -> Run | None:
    run = _open.get(directory)
    if run is not None and run.status != "running":  # ended by the process's exit
        del _open[directory]
        return None
    return run


def _opened(journal: Path, request: Request) -> Run:
    """Open a run in this journal, with the backends of the config but MLflow, which would only get itself back."""
    loaded = load_config(arguments={"journal": str(journal), "mistakes": "raise"})
    backends = [
        name for name in loaded.settings.backends if name.partition(":")[0] not in ("mlflow", "multitrack_mlflow")
    ]
    return open_run(resolve(loaded, msgspec.structs.replace(request, backends=backends)))


def _parent(directory: Path) -> Run | str | None:
    """The parent: a run that is open here, or the id of one in this journal."""
    run = _still_open(directory)
    if run is not None:
        return run
    with suppress(Exception):  # a damaged parent must not keep its child from starting
        if is_run(directory):
            return read_manifest(directory).id
    return directory.name if not directory.exists() else None
