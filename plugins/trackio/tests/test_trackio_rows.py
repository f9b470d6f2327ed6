"""What becomes of records in Trackio's rows and config."""

import math
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from trackio_reader import find_run, reader
from trackio_runs import PROJECT, deliver, rows, start

from multitrack.journal import writer
from multitrack.testing.strategies import Clock
from multitrack_trackio.names import metric_key, name_of, param_key, project_name, run_name
from multitrack_trackio.storage_way import ROWS_A_TRANSACTION


def shown(tmp_path: Path) -> dict[str, Any]:
    """The only run, as Trackio's reader gives it."""
    (run,) = reader().runs(tmp_path / "trackio", PROJECT)
    return run


def test_a_call_is_a_row_with_its_own_time_and_step(tmp_path: Path) -> None:
    clock = Clock()
    with mock.patch.object(writer, "time", clock):
        run = start(tmp_path)
        clock.ms += 1234
        run.log_metrics({"loss": 0.5, "val/loss": 0.75}, step=7)
        run.end()
    deliver(tmp_path, run)
    (row,) = [row for row in shown(tmp_path)["logs"] if "loss" in row]
    stamp = row.pop("timestamp")
    assert row == {"loss": 0.5, "val/loss": 0.75, "step": 7}
    native = find_run(tmp_path / "trackio", PROJECT, run.id)
    assert native.series["loss"][0].time == clock.ms
    assert len(stamp) == len("2026-01-01T00:00:00.000+00:00")


def test_points_of_one_millisecond_keep_the_order_of_their_calls(tmp_path: Path) -> None:
    steps = [3, 1, 2, 0, 5, 4]
    with mock.patch.object(writer, "time", Clock()):
        run = start(tmp_path)
        for step in steps:
            run.log_metric("loss", float(step), step=step)
        run.end()
    deliver(tmp_path, run)
    assert [point.step for point in find_run(tmp_path / "trackio", PROJECT, run.id).series["loss"]] == steps


def test_numbers_that_json_would_change_have_stand_ins(tmp_path: Path) -> None:
    run = start(tmp_path, params={"seed": 2**70, "same": 2**64 - 1, "word": "NaN", "number": math.nan})
    run.log_metrics({"big": 2**70, "huge": 10**400, "exact": 2**63 - 1}, step=0)
    run.log_metric("best", 2**80)
    run.log_lines(["NaN", "-Infinity", "fine"])
    run.set_tags({"answer": "Infinity"})
    run.end()
    report = deliver(tmp_path, run)
    told = str(report["trackio"].stand_ins)
    for word in ("param seed", "metric big", "metric huge", "metric best"):
        assert word in told
    assert "param same" not in told
    found = shown(tmp_path)
    (row,) = [row for row in found["logs"] if "big" in row]
    assert (row["big"], row["exact/big"], row["exact"]) == (float(2**70), str(2**70), 2**63 - 1)
    assert (row["huge"], row["exact/huge"]) == (math.inf, str(10**400))
    assert found["config"]["seed"] == {"int": str(2**70)}
    native = find_run(tmp_path / "trackio", PROJECT, run.id)
    assert native.params["seed"] == 2**70
    assert native.params["word"] == "NaN"
    assert isinstance(native.params["number"], float)
    assert native.metrics["best"] == 2**80
    assert native.lines == ["NaN", "-Infinity", "fine"]
    assert native.tags["answer"] == "Infinity"


def test_simple_metrics_of_one_call_with_colliding_names_are_all_kept(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_metric("loss", 1.0, step=0)
    run.log_metrics({"loss": 0.25, "loss/summary": 0.5})
    run.end()
    deliver(tmp_path, run)
    native = find_run(tmp_path / "trackio", PROJECT, run.id)
    assert (native.metrics["loss"], native.metrics["loss/summary"]) == (0.25, 0.5)
    assert [point.value for point in native.series["loss/summary"]] == [0.25, 0.5]


def test_a_child_is_in_the_group_of_its_parent(tmp_path: Path) -> None:
    parent = start(tmp_path, name="search")
    child = start(tmp_path, name="trial", parent=parent)
    child.end()
    parent.end()
    deliver(tmp_path, parent)
    groups = {run["name"]: run["config"]["_Group"] for run in reader().runs(tmp_path / "trackio", PROJECT)}
    assert groups == {"search": None, "trial": "search"}


def test_nothing_is_fetched_or_waits_to_be_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trackio import bucket_storage

    fetched: list[str] = []
    monkeypatch.setattr(bucket_storage, "download_bucket_to_trackio_dir", fetched.append)
    monkeypatch.setenv("TRACKIO_SPACE_ID", "somebody/space")
    monkeypatch.setenv("TRACKIO_BUCKET_ID", "somebody/bucket")
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    run.end()
    deliver(tmp_path, run)
    assert rows(tmp_path, "SELECT COUNT(*) FROM metrics WHERE space_id IS NOT NULL") == [(0,)]
    assert rows(tmp_path, "SELECT COUNT(*) FROM pending_uploads") == [(0,)]
    assert fetched == []


def test_secrets_are_not_in_the_database(tmp_path: Path) -> None:
    run = start(tmp_path, params={"api_key": "hidden-word"})
    run.log_artifact_ref("data", "s3://user:hidden-word@bucket/x?X-Amz-Signature=hidden-word")
    run.end()
    deliver(tmp_path, run)
    for file in (tmp_path / "trackio").iterdir():
        assert b"hidden-word" not in file.read_bytes()


@pytest.mark.parametrize("key", [metric_key, param_key])
def test_different_names_have_different_keys_and_are_found_again(key: Any) -> None:
    names = [
        "step", "~step", "~~step", "time", "__x", "_x", "logs/x", "exact/x", "~exact/x", "figures/x", "tags/x", "loss",
        "multitrack/row", "summary/x", "artifacts/x", "~", "",
    ]  # fmt: skip
    keys = [key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert [name_of(found) for found in keys] == names
    assert key("val/loss") == "val/loss"


@pytest.mark.parametrize(
    ("project", "kept"), [("digits", True), ("my-project_2", True), ("größe", True), ("my.model", False),
                          ("a b", False), ("🚀", False), ("registry-x", False), ("x_configs", False), ("x" * 99, False)]
)  # fmt: skip
def test_a_projects_name_is_one_that_trackio_does_not_change(project: str, kept: bool) -> None:
    from trackio.sqlite_storage import SQLiteStorage

    name = project_name(project)
    assert (name == project) is kept
    assert SQLiteStorage.get_project_db_path(name).stem == name
    if hasattr(SQLiteStorage, "validate_project_name"):  # from Trackio 0.30 on
        SQLiteStorage.validate_project_name(name)


def test_projects_that_trackio_would_merge_are_two(tmp_path: Path) -> None:
    assert len({project_name(name) for name in ("my.model", "mymodel", "my model", "my/model")}) == 4


@pytest.mark.parametrize("name", ["..", ".", "../../etc", "a/b", "x" * 2000, "a\\b", ". ."])
def test_a_runs_name_is_no_path(name: str) -> None:
    found = run_name(name)
    assert len(found) <= 200
    assert "/" not in found
    assert "\\" not in found
    assert found not in {".", "..", ". ."}
    assert run_name("baseline.2 ä") == "baseline.2 ä"


def test_a_list_that_is_longer_than_a_transaction_is_whole(tmp_path: Path) -> None:
    count = 2 * ROWS_A_TRANSACTION + 1
    run = start(tmp_path, params={"lr": 0.1})
    run.log_list_metric("signal", range(count))
    run.end()
    deliver(tmp_path, run)
    native = find_run(tmp_path / "trackio", PROJECT, run.id)
    assert [point.step for point in native.series["signal"]] == list(range(count))
    assert native.params == {"lr": 0.1}
