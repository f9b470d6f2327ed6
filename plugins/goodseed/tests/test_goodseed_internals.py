"""The undocumented names of goodseed: which the installed release has, and what happens without one."""

from pathlib import Path

import pytest
from goodseed_reader import read_file
from goodseed_runs import deliver, file_in, start

from multitrack_goodseed import internals


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "_checked", {})


def test_the_installed_release_has_the_class_and_the_tables() -> None:
    """Where one is gone, runs are still written: see what took its place, then change the names."""
    assert internals.missing() == []


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(internals.TABLES, "metric_points", {"step", "gone"})
        assert internals.missing() == ["metric_points.gone"]
        patch.setattr(internals, "CLASS", "Gone")
        assert internals.missing() == ["goodseed.storage.Gone"]
        patch.setattr(internals, "MODULE", "goodseed.gone")
        assert internals.missing() == ["goodseed.gone.Gone"]
        assert internals.creator() is None
    monkeypatch.setattr(internals, "LAYOUTS", frozenset({"0"}))
    assert internals.missing() == ["layout 1"]


@pytest.mark.parametrize("gone", [("LAYOUTS", frozenset({"0"})), ("CLASS", "Gone")], ids=["layout", "class"])
def test_without_one_the_times_are_told_to_be_those_of_the_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: tuple[str, object]
) -> None:
    monkeypatch.setattr(internals, *gone)
    run = start(tmp_path, params={"lr": 0.1}, tags={"a": "b"})
    run.log_metric("loss", 0.5, step=3)
    run.log_metric("loss", 0.25, step=3)
    run.log_lines(["one", "two"])
    deliver(tmp_path, run)
    run.end()
    report = deliver(tmp_path, run)
    assert "times/" in str(report["goodseed"].stand_ins)
    native = read_file(file_in(tmp_path, run))
    assert (native.params, native.tags, native.lines) == ({"lr": 0.1}, {"a": "b"}, ["one", "two"])
    assert [(point.step, point.value) for point in native.series["loss"]] == [(3, 0.5), (3, 0.25)]
