"""How single records stand in goodseed, by goodseed's own reader."""

import json
import math
import random
from pathlib import Path

import pytest
from goodseed.storage import read_configs, read_metrics, read_run_meta, read_string_series
from goodseed.utils import deserialize_value, serialize_value
from goodseed_reader import read_file
from goodseed_runs import deliver, file_in, start
from hypothesis import given
from hypothesis import strategies as st

import multitrack
from multitrack.recording.run import Run
from multitrack_goodseed import name_of
from multitrack_goodseed.names import path_of, project_name, run_identity, run_name
from multitrack_goodseed.steps import CROWDED, DISTANCE, LARGEST, place, recorded
from multitrack_goodseed.values import seconds, typed_text


def ended(place: Path, run: Run) -> tuple[Path, str]:
    """The file of a run that was delivered, and the report's text."""
    run.end()
    report = deliver(place, run)
    return file_in(place, run), str(report["goodseed"].stand_ins)


def test_a_repeated_step_stands_behind_the_first(tmp_path: Path) -> None:
    """goodseed replaces the number at a step; a resumed epoch must not replace the first one."""
    run = start(tmp_path)
    for step, value in [(3, 0.9), (3, 0.8), (4, 0.7), (3, 0.6), (-1, 0.5), (-1, 0.4)]:
        run.log_metric("loss", value, step=step)
    path, told = ended(tmp_path, run)
    points = [(row["step"], row["value"]) for row in read_metrics(path, "loss")]
    assert points == [
        (-1, 0.5), (-1 + DISTANCE, 0.4), (3, 0.9), (3 + DISTANCE, 0.8), (3 + 2 * DISTANCE, 0.6), (4, 0.7)
    ]  # fmt: skip
    assert "metric loss: goodseed keeps one number for a step" in told


def test_a_repeated_step_stands_at_the_same_place_in_any_batches(tmp_path: Path) -> None:
    values = [(0, 1.0), (0, 2.0), (1, 3.0), (0, 4.0)]
    found = []
    for name, single in (("whole", False), ("single", True)):
        run = start(tmp_path / name)
        for step, value in values:
            run.log_metric("loss", value, step=step)
            if single:
                deliver(tmp_path / name, run)
        path, _ = ended(tmp_path / name, run)
        found.append([(row["step"], row["value"]) for row in read_metrics(path, "loss")])
    assert found[0] == found[1]


@pytest.mark.parametrize("step", [0, 7, -7, CROWDED - 1, -CROWDED + 1])
def test_the_whole_part_of_a_step_is_the_recorded_one(step: int) -> None:
    last = place(step, None)
    for _ in range(3):
        assert last is not None
        assert recorded(last) == step
        last = place(step, last)
    assert place(step, step + 1 - DISTANCE) is None  # there is no room left


def test_steps_without_room_are_kept_as_texts(tmp_path: Path) -> None:
    assert (place(CROWDED, float(CROWDED)), place(LARGEST, None), place(-LARGEST, None)) == (None, None, None)
    run = start(tmp_path)
    for step in (CROWDED, CROWDED, 2**60 + 1):
        run.log_metric("loss", 0.5, step=step)
    path, told = ended(tmp_path, run)
    assert [row["step"] for row in read_metrics(path, "loss")] == [CROWDED]
    texts = [json.loads(row["value"]) for row in read_string_series(path, "exact/loss")["points"]]
    assert texts == [{"step": CROWDED, "value": 0.5}, {"step": 2**60 + 1, "value": 0.5}]
    assert "exact/loss" in told


def test_numbers_that_no_double_holds_are_shown_and_kept(tmp_path: Path) -> None:
    run = start(tmp_path)
    for step, value in enumerate([math.nan, 2**53 + 1, 10**400, -math.inf]):
        run.log_metric("loss", value, step=step)
    run.log_list_metric("list", [1.0, math.nan, 2.0])
    path, told = ended(tmp_path, run)
    assert [(row["step"], row["value"]) for row in read_metrics(path, "loss")] == [(1, 2.0**53), (3, -math.inf)]
    texts = [json.loads(row["value"]) for row in read_string_series(path, "exact/loss")["points"]]
    assert texts == [
        {"step": 0, "value": "NaN"}, {"step": 1, "value": str(2**53 + 1), "shown_at": 1.0},
        {"step": 2, "value": str(10**400)},
    ]  # fmt: skip
    assert [row["step"] for row in read_string_series(path, "exact/list")["points"]] == [1]
    assert told.count("kept as text in exact/") == 2


def test_points_keep_their_milliseconds(tmp_path: Path) -> None:
    run = start(tmp_path)
    for step in range(50):
        run.log_metric("loss", 0.5, step=step)
    path, _ = ended(tmp_path, run)
    recorded_run = multitrack.open_journal(tmp_path / "journal").run(run.id)
    times = [point.time for point in recorded_run.get_metrics()["loss"]]
    assert [point.time for point in read_file(path).series["loss"]] == times


def test_goodseeds_upload_sends_the_same_milliseconds() -> None:
    """It computes them by this formula, which cuts off."""
    chance = random.Random(0)
    for _ in range(100_000):
        ms = chance.randrange(2**42)
        assert int(seconds(ms) * 1000) == ms


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_single_values_stand_as_goodseed_writes_them(value: bool | float | str | None) -> None:
    assert typed_text(value) == serialize_value(value)
    found = deserialize_value(*typed_text(value))
    assert (type(found), repr(found)) == (type(value), repr(value))


def test_params_tags_and_references(tmp_path: Path) -> None:
    params = {"lr": 0.1, "layers": [64, 32], "none": None, "/odd/": 1}
    run = start(tmp_path, params=params, tags={"stage": "draft"}, notes="A note.")
    run.set_tags({"stage": "final", "team": "vision"})
    run.log_artifact_ref("data", "s3://bucket/data", kind="dataset", role="input")
    path, told = ended(tmp_path, run)
    configs = read_configs(path)
    assert (configs["parameters/lr"], configs["parameters/none"], configs["parameters/~/odd/~"]) == (0.1, None, 1)
    assert (configs["parameters/layers"], configs["types/layers"]) == ("[64, 32]", "list")
    assert configs["sys/tags"] == {"stage:final", "team:vision"}
    assert configs["sys/description"] == "A note."
    assert json.loads(configs["artifacts/data"]) == {"uri": "s3://bucket/data", "kind": "dataset", "role": "input"}
    assert "param layers: a list, kept as JSON" in told


@pytest.mark.parametrize("status", ["finished", "failed", "killed"])
def test_how_a_run_ended_by_goodseeds_words(tmp_path: Path, status: multitrack.records.Status) -> None:
    run = start(tmp_path)
    run.end(status)
    deliver(tmp_path, run)
    path = file_in(tmp_path, run)
    expected = "failed" if status == "killed" else status
    assert read_run_meta(path)["status"] == read_configs(path)["sys/state"] == expected
    assert read_configs(path)["multitrack/status"] == status


def test_a_resumed_run_is_running_without_an_end(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.end()
    deliver(tmp_path, run)
    again = start(tmp_path, run_id=run.id)
    again.log_metric("loss", 0.5, step=0)
    deliver(tmp_path, again)
    path = file_in(tmp_path, again)
    assert read_run_meta(path)["status"] == "running"
    assert "closed_at" not in read_run_meta(path)
    assert not {"sys/closed_time", "multitrack/ended"} & read_configs(path).keys()
    again.end()


@given(st.lists(st.text(st.sampled_from("/~a"), min_size=1, max_size=4), min_size=2, max_size=2, unique=True))
def test_different_names_have_different_paths_that_goodseed_leaves_alone(names: list[str]) -> None:
    from goodseed.utils import normalize_path

    paths = [path_of(name) for name in names]
    assert [normalize_path(path) for path in paths] == paths
    assert paths[0] != paths[1]
    assert [name_of(path) for path in paths] == names


@pytest.mark.parametrize("project", ["../up", "", "a//b", "läss", "x" * 300, ".", "a/../b", "/etc"])
def test_any_project_is_a_directory_below_projects(project: str) -> None:
    name = project_name(project)
    assert name != project
    assert all(part and part.strip(".") for part in name.split("/"))
    assert project_name(name) == name


@pytest.mark.parametrize("name", ["tab\there", "zero\u200bwidth", "x" * 300, "../../etc/passwd 🚀"])
def test_goodseed_takes_any_name_and_id(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import goodseed

    identity = run_identity(f"-{'x' * 200}-", 0, "host")
    run = goodseed.Run(
        goodseed_home=tmp_path, project=project_name(name), run_id=identity, name=run_name(name), storage="local",
        git_ref=False, capture_hardware_metrics=False, capture_stdout=False, capture_stderr=False,
        capture_traceback=False,
    )  # fmt: skip
    run.close()
    assert identity in capsys.readouterr().out
