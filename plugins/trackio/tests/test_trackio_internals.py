"""The undocumented names of Trackio: which the installed release has, and what happens without one."""

from pathlib import Path

import pytest
from trackio_reader import read_run
from trackio_runs import PROJECT, deliver, start

from multitrack_trackio import internals
from multitrack_trackio.storage_way import IMAGE


def test_the_installed_release_has_every_name() -> None:
    """Where one is gone, runs are still written: see what took its place, then change NAMES."""
    assert internals.missing() == []


def test_a_missing_name_or_parameter_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = (("SQLiteStorage.gone", ()), ("SQLiteStorage.bulk_log", ("log_ids", "gone")))
    monkeypatch.setattr(internals, "NAMES", gone)
    assert internals.missing() == ["SQLiteStorage.gone", "SQLiteStorage.bulk_log(gone=)"]
    assert internals.storage_of(tmp_path) is None
    monkeypatch.setattr(internals, "MODULE", "trackio.gone")
    assert internals.missing() == ["trackio.gone"]
    assert internals.storage_of(tmp_path) is None


def test_the_flag_against_downloads_is_there() -> None:
    from trackio.sqlite_storage import SQLiteStorage

    assert hasattr(SQLiteStorage, internals.LOADED)


def test_the_type_of_a_picture_is_trackios() -> None:
    import trackio

    assert trackio.Image.TYPE == IMAGE


def test_each_directory_has_a_storage_of_its_own(tmp_path: Path) -> None:
    one, two = (internals.storage_of(tmp_path / name) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert one.path("p") == tmp_path / "one" / "p.db"
    assert two.path("p") == tmp_path / "two" / "p.db"
    assert internals.storage_of(tmp_path / "one") is one


def test_without_a_name_the_times_are_told_to_be_those_of_the_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(internals, "NAMES", (("SQLiteStorage.gone", ()),))
    monkeypatch.setattr(internals, "_storages", {})
    run = start(tmp_path, params={"lr": 0.1})
    run.log_metric("loss", 0.5, step=3)
    run.end()
    report = deliver(tmp_path, run)
    assert "multitrack/time" in str(report["trackio"].stand_ins)
    native = read_run(tmp_path / "trackio", PROJECT, run.backend_ids["trackio"])
    assert (native.params["lr"], native.status) == (0.1, "finished")
    assert [(point.step, point.value) for point in native.series["loss"]] == [(3, 0.5)]
