"""What training code holds: every call, every mistake, every way a run ends."""

import argparse
import enum
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import multitrack
from multitrack import (
    JournalError,
    MetricKindError,
    ParamChangedError,
)
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run
from multitrack.summaries.summary import Summary


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def summary(run: Run) -> Summary:
    assert run.directory is not None
    return RecordedRun(run.directory).summary()


def recorded(run: Run) -> RecordedRun:
    assert run.directory is not None
    return RecordedRun(run.directory)


def test_everything_a_user_writes(tmp_path: Path) -> None:
    """The design's example, read back."""
    with start(project="digits", name="baseline", params={"lr": 1e-3}, tags={"a": 1}, notes="n", group="g") as run:
        run.log_params({"model": {"units": 64, "dropout": 0.2}})
        run.log_metric("accuracy", 0.93)
        run.log_metric("loss", 0.31, step=4)
        run.log_metrics({"loss": 0.29, "val_loss": 0.35}, step=5)
        run.log_list_metric("epoch_loss", [0.9, 0.5, 0.3])
        run.log_artifact_ref("weights", "s3://bucket/model.keras", kind="model", role="output")
        run.log_lines("epoch 5 done\nand more")
        run.set_tags({"stage": "final"})
        assert run.status == "running"
    found = recorded(run)
    told = found.summary()
    assert told.status == "finished"
    assert told.params == {"lr": 1e-3, "model/units": 64, "model/dropout": 0.2}
    assert told.metrics == {"accuracy": 0.93, "loss": 0.29, "val_loss": 0.35, "epoch_loss": 0.3}
    assert [(p.step, p.value) for p in found.get_metrics()["loss"]] == [(4, 0.31), (5, 0.29)]
    assert found.get_list_metrics() == {"epoch_loss": [0.9, 0.5, 0.3]}
    assert [line.text for line in found.get_lines()] == ["epoch 5 done", "and more"]
    assert told.tags == {"a": "1", "stage": "final"}
    assert told.artifacts[0].uri == "s3://bucket/model.keras"
    manifest = found.manifest
    assert (manifest.project, manifest.name, manifest.notes, manifest.group) == ("digits", "baseline", "n", "g")


def test_an_enum_is_the_tag_that_its_value_is() -> None:
    kind = enum.Enum("Kind", {"SMALL": 1, "NAMED": "large"})
    with start(tags={"a": kind["SMALL"]}) as run:
        run.set_tags({"b": kind["NAMED"]})
    assert recorded(run).summary().tags == {"a": "1", "b": "large"}


def test_the_callers_object_may_change_right_after() -> None:
    run = start()
    array, params = np.array([1.0, 2.0]), {"x": [1]}
    run.log_list_metric("a", array)
    run.log_params(params)
    array[:] = 0
    params["x"].append(2)
    assert recorded(run).get_list_metrics("a") == {"a": [1.0, 2.0]}
    assert summary(run).params == {"x": [1]}


@pytest.mark.parametrize(
    ("call", "arguments", "error", "names"),
    [
        ("log_metric", ("loss", "0.5"), TypeError, "'loss'"),
        ("log_metric", ("loss", None, 1), TypeError, "'loss'"),
        ("log_metric", ("loss", [1, 2]), TypeError, "log_list_metric"),
        ("log_metric", (3, 0.5), TypeError, "metric name"),
        ("log_metric", ("", 0.5), ValueError, "metric name"),
        ("log_metric", ("a\0b", 0.5), ValueError, "NUL"),
        ("log_metric", ("loss", 0.5, 1.5), TypeError, "step"),
        ("log_metric", ("loss", 0.5, "1"), TypeError, "^step must be a whole number, got '1'"),
        ("log_metric", ("loss", 0.5, float("inf")), TypeError, "^step must be a whole number, got inf"),
        ("log_metric", ("loss", 0.5, 2**2000), ValueError, r"^step must be from -\(2\*\*63 - 1\) to 2\*\*63 - 1"),
        ("log_metric", ("loss", 0.5, -(2**63)), ValueError, r"^step must be from -\(2\*\*63 - 1\) to 2\*\*63 - 1"),
        ("log_metric", ("loss", np.zeros(3)), TypeError, "log_list_metric takes several"),
        ("log_metric", ("loss", 0.5, True), TypeError, "step"),
        ("log_metric", ("loss", 0.5, math.nan), TypeError, "step"),
        ("log_metric", ("loss", 0.5, 2**63), ValueError, "step"),
        ("log_metrics", ({"a": 1.0, "b": "x"}, 1), TypeError, "'b'"),
        ("log_metrics", ([1],), TypeError, "metrics must be a mapping"),
        ("set_tags", (["a"],), TypeError, "tags must be a mapping"),
        ("log_list_metric", ("l", "123"), TypeError, "'l'"),
        ("log_list_metric", ("l", [1.0, None]), TypeError, "'l'"),
        ("log_list_metric", ("l", np.ones((2, 2))), TypeError, "one dimension"),
        ("log_params", (["a"],), TypeError, "mapping"),
        ("log_params", ({None: 1, "None": 2},), ValueError, "flatten to the same name"),
        ("log_params", ("missing.toml",), FileNotFoundError, "missing.toml"),
        ("log_params", ("config.ini",), ValueError, "config.ini"),
        ("log_lines", (3,), TypeError, "lines"),
        ("log_lines", ([b"x"],), TypeError, "lines"),
        ("log_artifact_ref", ("w", 3), TypeError, "uri"),
        ("log_artifact_ref", ("w", ""), ValueError, "uri"),
        ("log_artifact_ref", ("w", "missing.bin"), FileNotFoundError, "digest=False"),
        ("log_artifact_ref", ("w", "s3://b", "model", "neither"), ValueError, "role"),
        ("log_artifact_ref", ("", "s3://b"), ValueError, "artifact name"),
        ("set_tags", ({"a": None},), TypeError, "'a'"),
        ("set_tags", ({"": "x"},), ValueError, "tag name"),
    ],
)  # fmt: skip
def test_a_mistake_raises_at_the_call_and_changes_nothing(
    call: str, arguments: tuple[Any, ...], error: type[Exception], names: str
) -> None:
    run = start()
    run.log_metric("before", 1.0)
    before = list(recorded(run).records())
    with pytest.raises(error, match=names):
        getattr(run, call)(*arguments)
    assert list(recorded(run).records()) == before
    run.log_metric("after", 2.0)
    assert summary(run).metrics == {"before": 1.0, "after": 2.0}


def test_with_mistakes_warn_a_wrong_call_is_set_aside_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    run = start(config={"mistakes": "warn"})
    for _ in range(3):
        run.log_metric("loss", "not a number")
    run.log_params({"a": 1})
    run.log_params({"a": 2})
    run.log_metric("loss", 0.5, step=0)
    report = run.end()
    assert (run.mistakes, report.mistakes, summary(run).mistakes) == (4, 4, 4)
    assert len([record for record in caplog.records if "log_metric was set aside" in record.message]) == 1
    run.log_metric("late", 1.0)
    assert run.mistakes == 5


def test_a_param_is_written_once() -> None:
    run = start(params={"lr": 0.1, "n": 1})
    run.log_params({"lr": 0.1})
    with pytest.raises(ParamChangedError, match=r"'lr'.*0\.1.*0\.2"):
        run.log_params({"new": 1, "lr": 0.2})
    with pytest.raises(ParamChangedError, match="'n'"):
        run.log_params({"n": 1.0})  # another type is another value
    assert summary(run).params == {"lr": 0.1, "n": 1}
    assert summary(run).records == 1


def test_params_keep_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[model]\nunits = 64\n")
    (tmp_path / "b.json").write_text('{"seed": 7}')
    (tmp_path / "c.yaml").write_text("epochs: 3\n")
    run = start(params={"code": 1})
    run.log_params(argparse.Namespace(lr=0.1))
    for name in ("a.toml", "b.json", "c.yaml"):
        run.log_params(tmp_path / name)
    run.log_params({"given": 1}, source="sweep")
    told = summary(run)
    assert told.sources == {
        "code": "code", "lr": "command line", "model/units": str(tmp_path / "a.toml"), "seed": str(tmp_path / "b.json"),
        "epochs": str(tmp_path / "c.yaml"), "given": "sweep",
    }  # fmt: skip
    with pytest.raises(FileNotFoundError, match=r"cannot read the params file: No such file or directory: '.*e\.yaml'"):
        run.log_params(tmp_path / "e.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(ValueError, match=r"params file .*latin\.yaml cannot be read: 'utf-8' codec"):
        run.log_params(tmp_path / "latin.yaml")
    (tmp_path / "d.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"d\.json must hold a mapping"):
        run.log_params(tmp_path / "d.json")


def test_one_name_is_a_series_or_a_list() -> None:
    run = start()
    run.log_metric("loss", 0.5, step=0)
    run.log_list_metric("list", [1.0])
    with pytest.raises(MetricKindError, match="'loss' is a series with steps"):
        run.log_list_metric("loss", [1.0])
    with pytest.raises(MetricKindError, match="'list' is a list metric"):
        run.log_metric("list", 1.0, step=0)


def test_secrets_in_a_uri_never_reach_the_journal() -> None:
    run = start()
    run.log_artifact_ref("a", "https://user:hunter2@host/x?X-Amz-Signature=hunter2&part=1")
    run.log_artifact_ref("b", "s3://bucket/käse?versionId=3")
    assert run.directory is not None
    assert b"hunter2" not in (run.directory / "000001.jsonl").read_bytes()
    assert [ref.uri for ref in summary(run).artifacts] == [
        "https://host/x?X-Amz-Signature=[redacted]&part=1", "s3://bucket/käse?versionId=3",
    ]  # fmt: skip


def test_local_references_have_digest_and_size(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"abc")
    (tmp_path / "saved" / "deep").mkdir(parents=True)
    (tmp_path / "saved" / "deep" / "x").write_bytes(b"1234")
    run = start()
    run.log_artifact_ref("relative", "w.bin")
    run.log_artifact_ref("uri", f"file://{tmp_path}/w.bin")
    run.log_artifact_ref("directory", tmp_path / "saved")
    run.log_artifact_ref("absent", tmp_path / "absent", digest=False)
    run.log_artifact_ref("given", "s3://b/k", digest="md5:00", size=3)
    refs = {ref.name: ref for ref in summary(run).artifacts}
    assert refs["relative"].digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (refs["uri"].digest, refs["uri"].uri) == (refs["relative"].digest, refs["relative"].uri)
    assert refs["directory"].size == 4
    assert (refs["absent"].uri, refs["absent"].digest) == ((tmp_path / "absent").as_uri(), None)
    assert (refs["given"].digest, refs["given"].size) == ("md5:00", 3)


def test_threads_may_log_to_one_run_at_once() -> None:
    run = start()

    def work(number: int) -> None:
        for step in range(200):
            run.log_metric(f"t{number}", step, step=step)
            run.log_params({"shared": 1})
            run.log_list_metric("list", [number])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.end()
    series = recorded(run).get_metrics()
    assert {name: [p.step for p in points] for name, points in series.items()} == {
        f"t{i}": list(range(200)) for i in range(8)
    }
    assert len(recorded(run).get_list_metrics("list")["list"]) == 1600
    times = [record.time for record in recorded(run).records()]
    assert times == sorted(times)


@pytest.mark.parametrize("name", ["a/b", "../../escape", "🚀 läunch", "x" * 500, "\x1b[31mred"])
def test_names_are_only_names(tmp_path: Path, name: str) -> None:
    run = start(project=name, name=name)
    run.end()
    assert run.directory is not None
    assert run.directory.parent == tmp_path / ".multitrack" / "runs"
    assert (recorded(run).manifest.name, recorded(run).manifest.project) == (name, name)


@pytest.mark.parametrize(
    "arguments", [{"name": "a\0b"}, {"project": ""}, {"run_id": "../x"}, {"run_id": "a/b"}, {"run_id": "ä"}]
)
def test_names_that_cannot_be(tmp_path: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must"):
        start(**arguments)
    assert not (tmp_path / ".multitrack" / "runs").exists()


def test_bad_params_at_start_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        start(params={"a": 1, "": 2})
    with pytest.raises(TypeError, match="tag"):
        start(tags={"a": None})
    assert not (tmp_path / ".multitrack").exists()


def test_an_unwritable_journal_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"journal .*file/journal: .*MULTITRACK_JOURNAL"):
        start(config={"journal": str(tmp_path / "file" / "journal")})


def test_a_full_disk_does_not_stop_training(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    run = start()
    run.log_metric("loss", 1.0, step=0)
    real = os.write
    with monkeypatch.context() as full:
        full.setattr("os.write", lambda fd, data: real(fd, data[:30]))
        for step in range(1, 5):
            run.log_metric("loss", 1.0, step=step)
            run.log_lines("lost")
    run.log_metric("loss", 2.0, step=5)
    report = run.end()
    assert [p.step for p in recorded(run).get_metrics()["loss"]] == [0, 5]
    assert report.lost == 8
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1
