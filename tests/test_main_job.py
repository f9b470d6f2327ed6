"""The main job for real: what three trackers hold of it, by their own readers, is what the journal holds, value by value."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow_reader import read_run as read_mlflow
from neptune_file import find_run
from neptune_file import read_run as read_neptune
from wandb_file import read_native as read_wandb

import multitrack
from compare import Expected, compare_tracker
from multitrack import plugins
from multitrack.reading.recorded_run import RecordedRun
from multitrack.testing import NativeRun
from trackers import TRACKERS as HARNESS

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parent.parent / "examples"
TRACKERS = ("mlflow", "wandb", "neptune")
#: Those of this repository that are installed, which in the environment of the oldest releases are not all.
BACKENDS = tuple(sorted(path.parent.name for path in EXAMPLES.parent.glob("plugins/*/pyproject.toml")
                        if path.parent.name in plugins.installed()))  # fmt: skip


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The example, run once; where it wrote and what it printed."""
    home = tmp_path_factory.mktemp("home")
    out = home / "digits-run"
    environment = {**os.environ, "HOME": str(home), "WANDB_ERROR_REPORTING": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
                   "DO_NOT_TRACK": "true"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "digits_search.py"), "--trials", "4", "--epochs", "3", "--out", str(out),
         "--backends", ",".join(BACKENDS)],
        cwd=home, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout


@pytest.fixture(scope="module")
def runs(job: tuple[Path, str]) -> dict[str, RecordedRun]:
    return {run.manifest.name: run for run in multitrack.open_journal(job[0] / ".multitrack").runs()}


def reader(out: Path, tracker: str) -> Callable[[RecordedRun], NativeRun]:
    """How to read a run with the tracker's own reader."""
    if tracker == "mlflow":
        return lambda run: read_mlflow(f"sqlite:///{out}/mlflow.db", str(run.lanes()["mlflow"].id))
    if tracker == "wandb":
        return lambda run: read_wandb(out, run.id)
    if tracker == "neptune":
        return lambda run: read_neptune(find_run(out / ".neptune", run.id))
    return _READERS[tracker](out)


def _files(out: Path) -> Callable[[RecordedRun], NativeRun]:
    from files_reader import parquet_rows, read_run

    return lambda run: read_run(parquet_rows(out / "tables"), str(run.lanes()["files"].id))


def _tensorboard(out: Path) -> Callable[[RecordedRun], NativeRun]:
    from tensorboard_file import read_run

    return lambda run: read_run(out / "tensorboard" / str(run.lanes()["tensorboard"].id))


def _trackio(out: Path) -> Callable[[RecordedRun], NativeRun]:
    from trackio_reader import find_run

    return lambda run: find_run(out / "trackio", "digits", run.id)


def _goodseed(out: Path) -> Callable[[RecordedRun], NativeRun]:
    from goodseed_reader import find_run

    return lambda run: find_run(out / "goodseed", run.id)


def _prometheus(out: Path) -> Callable[[RecordedRun], NativeRun]:
    from prometheus_reader import native, written

    return lambda run: native(written(out / "prometheus"), str(run.lanes()["prometheus"].id))


_READERS = {
    "files": _files,
    "tensorboard": _tensorboard,
    "trackio": _trackio,
    "goodseed": _goodseed,
    "prometheus": _prometheus,
}


def test_a_search_is_a_parent_run_and_each_trial_a_child(runs: dict[str, RecordedRun]) -> None:
    assert set(runs) == {"digits-search", "trial-0", "trial-1", "trial-2", "trial-3"}
    parent = runs["digits-search"]
    assert {run.manifest.parent for name, run in runs.items() if name != "digits-search"} == {parent.id}
    for run in runs.values():
        assert run.summary().status == "finished"
        assert all(lane.settled and not lane.set_aside for lane in run.lanes().values())
        assert set(run.lanes()) == set(BACKENDS)


def test_the_journal_holds_what_keras_tuner_holds(job: tuple[Path, str], runs: dict[str, RecordedRun]) -> None:
    best: dict[str, float] = {}
    for number in range(4):
        trial = json.loads((job[0] / "tuner" / "digits" / f"trial_{number}" / "trial.json").read_text())
        told = runs[f"trial-{number}"].summary()
        for name, value in trial["hyperparameters"]["values"].items():
            assert told.params[name] == value
        assert told.metrics["score"] == trial["score"]
        assert told.metrics["best_epoch"] == trial["best_step"]
        best[runs[f"trial-{number}"].id] = trial["score"]
        series = runs[f"trial-{number}"].get_metrics()
        for metric in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            assert [point.step for point in series[metric]] == [0, 1, 2]
        assert max(point.value for point in series["val_accuracy"]) == trial["score"]
    parent = runs["digits-search"].summary()
    assert parent.tags["best_run"] == max(best, key=lambda run_id: best[run_id])
    assert parent.metrics["best_score"] == max(best.values())


@pytest.mark.parametrize("tracker", TRACKERS)
def test_every_value_is_in_the_tracker(job: tuple[Path, str], runs: dict[str, RecordedRun], tracker: str) -> None:
    read = reader(job[0], tracker)
    for run in runs.values():
        native, told = read(run), run.summary()
        assert native.name == run.manifest.name
        assert native.status == "finished"
        shown = {key: str(value) if tracker == "mlflow" else value for key, value in told.params.items()}
        if tracker == "mlflow":
            shown = {key: text for key, text in shown.items() if not isinstance(told.params[key], (list, dict))}
        assert {key: native.params[key] for key in shown} == shown
        series = run.get_metrics()
        assert {name: native.series[name] for name in series} == {
            name: [(point.step, point.value, point.time) for point in points] for name, points in series.items()
        }
        for name, value in told.metrics.items():
            if name not in series:
                assert native.metrics[name] == value
        assert native.lines == [line.text for line in run.get_lines()]
        assert bool(native.lines) == (run.manifest.name != "digits-search")  # the summaries of the trials' models
        assert native.artifacts == {ref.name: ref.uri for ref in told.artifacts}
        assert {key: native.tags[key] for key in told.tags} == told.tags


@pytest.mark.parametrize("tracker", TRACKERS)
def test_nesting_and_identity_show_in_the_tracker(
    job: tuple[Path, str], runs: dict[str, RecordedRun], tracker: str
) -> None:
    read = reader(job[0], tracker)
    parent = runs["digits-search"]
    for name, run in runs.items():
        native = read(run)
        if name == "digits-search":
            assert native.parent is None
        else:
            assert native.parent in (parent.id, parent.lanes()[tracker].id)
        assert native.identity["program"] == str(EXAMPLES / "digits_search.py")
        assert native.started is not None
        assert abs(native.started - run.manifest.created) < 1000


def test_the_data_is_a_reference_and_not_a_copy(job: tuple[Path, str], runs: dict[str, RecordedRun]) -> None:
    data, best = runs["digits-search"].summary().artifacts
    assert (data.name, data.kind, data.role) == ("digits", "dataset", "input")
    assert str(data.digest).startswith("sha256:")
    assert (best.name, best.kind, best.role) == ("checkpoint-best_trial", "model", "output")
    assert not list(job[0].rglob("digits.csv*"))


def test_it_ends_with_a_table_and_the_commands_to_look_at_it(
    job: tuple[Path, str], runs: dict[str, RecordedRun]
) -> None:
    out, printed = job
    for number in range(4):
        run = runs[f"trial-{number}"]
        (row,) = [line for line in printed.splitlines() if line.split()[:1] == [str(number)]]
        for part in (f"{run.summary().metrics['score']:.4f}", "finished", *(str(run.lanes()[t].id) for t in BACKENDS)):
            assert part in row
    for command in ("mlflow ui --backend-store-uri", "wandb beta leet", "multitrack runs --journal"):
        assert command in printed
    listing = next(line for line in printed.splitlines() if "multitrack runs" in line).split(maxsplit=1)[1]
    shown = subprocess.run(listing, shell=True, cwd=out.parent, check=True, capture_output=True, text=True).stdout
    assert all(run.id in shown for run in runs.values())
    assert out.is_dir()


def test_any_backend_needs_only_its_name(job: tuple[Path, str], runs: dict[str, RecordedRun]) -> None:
    """Every backend of this repository holds the search, its trials and all that they recorded."""
    out, printed = job
    views = dict(re.findall(r"^  (\w+) +(\S.*)$", printed.partition("look at it:")[2], re.MULTILINE))
    assert set(views) - {"or"} == {*BACKENDS, "multitrack"}
    for run in runs.values():
        expected = Expected()
        for record in run.records():
            expected.take(record)
        assert expected.params, run.id
        for name in BACKENDS:
            native = reader(out, name)(run)
            assert compare_tracker(native, expected, HARNESS[name].capabilities).told == []
            assert native.status == "finished"


def test_a_folder_with_other_files_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    command = [sys.executable, str(EXAMPLES / "digits_search.py"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, "are not of an earlier search: choose another --out" in done.stderr) == (2, True)
    assert (tmp_path / "thesis").read_text() == "mine"


@pytest.mark.parametrize("tracker", TRACKERS)
def test_the_same_script_goes_where_one_line_of_config_says(tmp_path: Path, tracker: str) -> None:
    """``examples/config``: three files that differ in their first line alone; the script is not touched."""
    texts = {name: (EXAMPLES / "config" / f"{name}.toml").read_text().splitlines() for name in TRACKERS}
    assert {tuple(lines[1:]) for lines in texts.values()} == {tuple(texts[tracker][1:])}
    (tmp_path / "multitrack.toml").write_text("\n".join(texts[tracker]))
    environment: dict[str, Any] = {
        **os.environ,
        "HOME": str(tmp_path),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "WANDB_ERROR_REPORTING": "false",
    }
    subprocess.run(
        [sys.executable, str(EXAMPLES / "plain_loop.py")], cwd=tmp_path, env=environment, check=True, timeout=200
    )
    (run,) = multitrack.open_journal(tmp_path / ".multitrack").runs()
    assert set(run.lanes()) == {tracker}
    native = reader(tmp_path, tracker)(run)
    series = run.get_metrics()
    assert len(series["loss"]) == 20
    assert [(point.step, point.value) for point in native.series["loss"]] == [(p.step, p.value) for p in series["loss"]]
    assert native.lines == [line.text for line in run.get_lines()]
    others = {"mlflow": "mlflow.db", "wandb": "wandb", "neptune": ".neptune"}
    assert [name for name, path in others.items() if (tmp_path / path).exists()] == [tracker]


def test_autologging_beside_ours(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "mlflow_autolog.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (run,) = multitrack.open_journal(tmp_path / ".multitrack").runs()
    native = read_mlflow(f"sqlite:///{tmp_path}/mlflow.db", str(run.lanes()["mlflow"].id))
    told = run.summary()
    assert native.status == "finished"
    assert {"opt_name", "opt_learning_rate", "batch_size"} <= set(native.params)  # autologging's
    assert {key: native.params[key] for key in told.params} == {key: str(value) for key, value in told.params.items()}
    series = run.get_metrics()
    assert {"loss", "accuracy"} <= set(series)
    for name, points in series.items():
        ours = {(point.step, point.value) for point in points}
        assert ours <= {(point.step, point.value) for point in native.series[name]}
    assert not run.lanes()["mlflow"].set_aside
    assert run.lanes()["mlflow"].stand_ins == []
