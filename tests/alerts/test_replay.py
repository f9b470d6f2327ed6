"""What a replay of recorded runs finds: each kind of rule, groups, filters, and the ends of runs."""

from pathlib import Path

import pytest

from alerting import BEGIN, MINUTE, WrittenRun, at, episodes, rules
from multitrack.alerts.replay import replay

NAN, INF = float("nan"), float("inf")


def test_the_newest_value(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "a")
    for minute, loss in enumerate([1, 5, 6, NAN, 7, 2]):
        run.log(minute, loss=loss, other=9)
    assert episodes(tmp_path, "loss > 4") == [("a", 1, 3, 5), ("a", 4, 5, 7)]
    assert episodes(tmp_path, "loss > 7") == []


def test_a_simple_metric_a_series_and_a_list(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "a")
    run.log(0, step=1, x=1)
    run.log(1, x=3)
    run.log_list(2, "x", [1, 9, 8])
    assert episodes(tmp_path, "x > 2") == [("a", 1, 1442, 3)]
    assert episodes(tmp_path, "lists.x > 8.5") == [("a", 2, 2, 9)]


def test_a_window_over_the_runs_of_a_group(tmp_path: Path) -> None:
    """The example of the issue: two runs of one deployment beside another, written at the same time."""
    one, two = WrittenRun(tmp_path, "one", deployment="eu"), WrittenRun(tmp_path, "two", 2, deployment="eu")
    other, none = WrittenRun(tmp_path, "other", deployment="us"), WrittenRun(tmp_path, "none")
    for run in (other, none):
        run.log(1, score=0.1)
    one.log(0, score=1)
    one.log(10, score=0.9)
    two.log(20, score=0.7)  # (1 + 0.9 + 0.7) / 3 = 0.8667
    one.log(30, score=1)  # 3.6 / 4 = 0.9
    two.log(60, score=0.89)  # the first has left: 3.49 / 4
    one.end(61)
    two.log(130, score=0.95)  # alone
    assert episodes(tmp_path, "score:mean over 1h < 0.9 by deployment") == [
        ("us", 1, None, 0.1), ("eu", 20, 30, pytest.approx(2.6 / 3)), ("eu", 60, 130, pytest.approx(3.49 / 4)),
    ]  # fmt: skip


def test_a_window_of_too_few_values_changes_nothing(tmp_path: Path) -> None:
    """Neither the first value of a deployment fires, nor does a lone one after a quiet hour resolve."""
    run = WrittenRun(tmp_path, "one", deployment="eu")
    for minute, score in enumerate((0, 1, 0, 0)):
        run.log(minute, score=score)
    for minute in range(100, 105):
        run.log(minute, score=1)
    assert episodes(tmp_path, "score:mean over 1h of 3 values < 0.5 by deployment") == [
        ("eu", 2, 104, pytest.approx(1 / 3))  # the third mean in a row that is fine
    ]
    assert episodes(tmp_path, "score:mean over 1h < 0.5 by deployment") == [
        ("eu", 0, 1, 0), ("eu", 2, 100, pytest.approx(1 / 3)),
    ]  # fmt: skip


def test_a_mean_near_the_limit_fires_once_and_is_resolved_once(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "one", deployment="eu")
    for minute, score in enumerate([1, 1, 0, 1, 0, 1, 0, 1, 1, 1]):
        run.log(minute, score=score)  # means of two values: 1, 1, then 0.5 six times, 1, 1
    rule = "score:mean over 2min {} < 0.6 by deployment"
    assert episodes(tmp_path, rule.format("of 2 values")) == [("eu", 2, 9, 0.5)]
    swinging = WrittenRun(tmp_path, "two", 60, deployment="us")
    for minute, score in enumerate([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1], 60):
        swinging.log(minute, score=score)  # means of two values: 0.5, 0.5, 1 three times, then 1
    assert episodes(tmp_path, rule.format("of 2 values"))[1:] == [("us", 62, 71, 0.5)]
    assert [one[1:3] for one in episodes(tmp_path, rule.format(""))[1:]] == [(62, 64), (65, 67), (68, 70)]


def test_far_from_the_best(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "a")
    for minute, (loss, accuracy) in enumerate(
        [(9, 0.5), (2, 0.8), (6, 0.6), (6.5, 0.63), (NAN, 0.9), (INF, 0.7), (0, 0.5), (50, 1)]
    ):
        run.log(minute, loss=loss, accuracy=accuracy)
    assert episodes(tmp_path, "loss > 3 x best") == [("a", 3, 4, 6.5), ("a", 5, 6, INF)]  # a best of 0 says nothing
    assert episodes(tmp_path, "accuracy < 0.78 x best") == [("a", 2, 3, 0.6), ("a", 5, 7, 0.7)]


def test_not_a_number(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "a")
    run.log(0, loss=NAN, other=1)
    run.log(1, loss=1, other=INF)
    run.log_list(2, "l", [-INF])
    run.log(3, other=2)
    run.log_list(3.5, "l", [1, NAN, 2])
    run.log_list(4, "l", [1])
    assert [one[:3] for one in episodes(tmp_path, "nan loss")] == [("a", 0, 1)]
    assert [one[:3] for one in episodes(tmp_path, "nan lists.l")] == [("a", 2, 4)]
    assert [one[:3] for one in episodes(tmp_path, "nan")] == [("a", 0, 4)]


def test_no_record(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "a")
    run.log(10, x=1)  # ten minutes exactly are not too many
    run.log(21, x=1)
    run.end(40)
    run.resume(100)
    run.log(105, x=1)
    run.end(106)
    assert episodes(tmp_path, "no record for 10min") == [("a", 20, 21, None), ("a", 31, 40, None)]


def test_no_record_of_a_group_between_its_runs(tmp_path: Path) -> None:
    for start in (0, 30):
        run = WrittenRun(tmp_path, f"run{start}", start, stage="prod")
        run.end(start + 5)
    assert episodes(tmp_path, "no record for 10min by stage")[0] == ("prod", 15, 30, None)


def test_the_end_of_a_run_resolves_its_alerts_and_no_others(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "a", stage="prod")
    run.log(1, loss=NAN)
    run.end(2, "failed")
    assert [one[:3] for one in episodes(tmp_path, "nan", "nan by stage")] == [("a", 1, 2), ("prod", 1, None)]
    (one, _) = replay(tmp_path, rules("nan", "nan by stage"))
    assert (one.reason, one.run) == ("the run is failed", ("a", "name of a"))


def test_a_run_that_was_killed_and_never_ended_counts_as_ended_a_day_later(tmp_path: Path) -> None:
    WrittenRun(tmp_path, "a").log(1, loss=NAN)
    assert [one[:3] for one in episodes(tmp_path, "nan", "no record for 1h")] == [("a", 1, 1441), ("a", 61, 1441)]


def test_groups_and_filters_follow_the_tags_as_they_are_set(tmp_path: Path) -> None:
    from multitrack.records import Params, Tags

    run = WrittenRun(tmp_path, "a")
    run.log(0, x=9)
    run.append(Tags(time=at(1), values={"stage": "dev"}), Params(time=at(1), values={"n": 3}, types={"n": "int"}))
    run.log(2, x=9)
    run.append(Tags(time=at(3), values={"stage": "prod"}))
    run.log(4, x=8)
    assert episodes(tmp_path, "x > 1 by stage") == [("dev", 2, None, 9), ("prod", 4, None, 8)]
    assert episodes(tmp_path, {"when": "x > 1", "where": "tags.stage = prod and params.n < 4"}) == [("a", 4, 1444, 8)]
    assert episodes(tmp_path, {"when": "x > 1 by params.n", "where": 'name = "name of b"'}) == []
    assert episodes(tmp_path, "x > 1 by params.n") == [("3", 2, None, 9)]


def test_since_fills_windows_with_what_was_before(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path, "a", stage="x")
    for minute in range(6):
        run.log(minute, x=minute)
    assert episodes(tmp_path, "x:count over 3min >= 3 by stage", since=BEGIN + 4 * MINUTE) == [("x", 4, None, 3)]
    assert episodes(tmp_path, "x:count over 9min > 4 by stage", since=BEGIN + 4 * MINUTE) == [("x", 4, None, 5)]


def test_runs_of_equal_times_are_in_one_order(tmp_path: Path) -> None:
    for name in "ba":
        run = WrittenRun(tmp_path, name, stage="x")
        run.log(1, x=1 if name == "a" else 5)
    assert episodes(tmp_path, "x > 3 by stage") == [("x", 1, None, 5)]


def test_damaged_and_deleted_runs_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = WrittenRun(tmp_path, "a")
    run.log(1, x=5)
    broken = WrittenRun(tmp_path, "b")
    (broken.directory / "manifest.json").write_text("{}")
    (broken.directory / "000001.jsonl").write_text("nonsense\n")
    assert episodes(tmp_path, "x > 3") == [("a", 1, 1441, 5)]
    assert "alerts leave out a run" in caplog.text
