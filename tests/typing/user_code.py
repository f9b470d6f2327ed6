"""What users write, for the type checker: this file must check strictly; it is not run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import keras_tuner

import multitrack
import multitrack.keras_tuner as kt
from multitrack import (
    DeliveryReport,
    JournalReader,
    LaneReport,
    Line,
    LogHandler,
    Point,
    Run,
    Series,
    Statistics,
    active_run,
    hookimpl,
)  # fmt: skip
from multitrack.compare import Comparison, compare
from multitrack.hookspecs import Opened, RunInfo
from multitrack.monitor import Execution, Window, executions, monitor
from multitrack.reading.followed import Measured


def training() -> None:
    with multitrack.start_run(
        project="digits",
        name="baseline",
        params={"lr": 1e-3},
        tags={"team": "vision", "seed": 3},
        deployment="eu",
        trigger="endpoint",
        backends=["mlflow", "my_pkg.tracker:backend"],
        config={"delivery": "thread"},
        capture=("stdout", "logging"),
    ) as run:
        assert_type(run, Run)
        run.log_params({"model": {"units": 64}}, source="sweep")
        run.log_params(Path("params.yaml"))
        run.log_metric("accuracy", 0.93)
        run.log_metrics({"loss": 0.29, "val_loss": 0.35}, step=5)
        run.log_list_metric("epoch_loss", [0.9, 0.5, 0.3])
        run.log_artifact_ref("weights", Path("model.keras"), kind="model", role="output", digest=False)
        run.log_lines(["one", "two"], stream="stdout")
        assert_type(run.flush(timeout=3), DeliveryReport)
        assert_type(run.flush()["mlflow"], LaneReport)
        assert_type(run.backend_ids, dict[str, str])
        with multitrack.start_run(parent=run) as child:
            assert_type(child.directory, Path | None)
    assert_type(active_run(), Run)
    LogHandler(run)
    run.log_artifact_ref("weights", "s3://b", role="sideways")  # type: ignore[arg-type]
    run.end("done")  # type: ignore[arg-type]


def reading() -> None:
    journal = multitrack.open_journal(".multitrack")
    assert_type(journal, JournalReader)
    for run in journal.runs(project="digits", tags={"a": 1}, since="7d", where="params.lr < 0.1"):
        assert_type(run.summary().series["loss"], Statistics)
        assert_type(run.get_series("loss").values, list[int | float])
        assert_type(run.get_all_series(), dict[str, Series])
        assert_type(run.get_metrics(), dict[str, list[Point]])
        for line in run.get_lines(limit=3):
            assert_type(line, Line)
    upstream: dict[str, int] = journal.lineage("classifier", down=False, depth=2).upstream
    assert upstream
    assert_type(monitor(journal.runs(), "score", every="1h").groups, dict[Any, list[Window]])
    assert_type(executions(journal.runs(), since="1d"), Iterator[Execution])
    followed: dict[Any, list[Measured]] = journal.follow_metric("accuracy", by="tags.deployment")
    assert_type(followed["eu"][0].name, str)
    assert_type(journal.get_lines("a", limit=3), Iterator[Line])
    comparison = compare(journal.runs(), ["params", "metrics.loss:min"], sort=["-metrics.loss"], best="metrics.loss")
    assert_type(comparison, Comparison)
    assert_type(comparison.rows[0].statistics, dict[str, Statistics])
    assert_type(comparison.rerun().to_json(), str)
    assert_type(multitrack.sync(), dict[str, DeliveryReport])


class Backend:
    name = "mine"

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        return Opened(id=run.id, url=None)


multitrack.register(Backend())


class OwnTuner(keras_tuner.RandomSearch):  # type: ignore[misc]  # KerasTuner ships no types
    def best(self) -> float:
        return 1.0


class Mine(kt.Tuner):
    """What is tracked has types, so that nothing need be ignored."""

    def run_trial(self, trial: kt.engine.trial.Trial, *args: Any, **kwargs: Any) -> float:  # pyright: ignore[reportIncompatibleMethodOverride]
        return float(trial.hyperparameters.Float("x", 0, 1))  # pyright: ignore[reportArgumentType]  # as KerasTuner's code infers


class Grid(kt.tuners.GridSearch):
    pass


def searching() -> None:
    assert_type(kt.tracked(OwnTuner), type[OwnTuner])
    tuner = kt.tracked(OwnTuner)(print, objective="loss")
    assert_type(tuner.best(), float)
    tuner.runs["3"].log_metric("seen", 1.0)  # pyright: ignore[reportAttributeAccessIssue]  # a class made at run time
    kt.tracked(3)  # type: ignore[arg-type]
    mine = Mine(kt.oracles.RandomSearchOracle(objective=kt.Objective("loss", "min")))
    assert_type(mine.runs, dict[str, Run])
    assert_type(mine.parent_run, Run | None)
    assert_type(Grid(print).runs, dict[str, Run])
    assert_type(kt.RandomSearch(print, max_trials=3), kt.RandomSearch)
    assert_type(kt.__version__, str)
    space = kt.HyperParameters()
    space.Int("units", 1, 9)
    hypermodels: list[type[kt.HyperModel]] = [kt.applications.HyperResNet]
    assert hypermodels
    assert issubclass(kt.errors.FatalError, Exception)
    assert kt.engine.hyperparameters.Choice
    assert kt.engine.base_tuner.BaseTuner is kt.BaseTuner
    kt.nothing()  # type: ignore[attr-defined]
    kt.oracles.nothing()  # type: ignore[attr-defined]
