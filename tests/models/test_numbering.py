"""Versions of models as runs write them: at the end, once, with their reasons in the run and in the journal."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import RecordedRun, Run
from multitrack.models.best import best_version
from multitrack.models.numbering import number_models
from multitrack.records import ModelVersion
from processes import wait_until

COLUMNS = {"age": int, "fare": float}


def train(accuracy: float, content: bytes, *, data: str = "1", columns: Any = COLUMNS, **arguments: Any) -> Run:
    Path("model.bin").write_bytes(content)
    Path("train.csv").write_text(data)
    with multitrack.start_run(project="p", params={"lr": 0.1}, backends=[]) as run:
        run.log_artifact_ref("train", "train.csv", "dataset", "input", schema=columns, target="survived")
        for step in range(3):
            run.log_metric("accuracy", accuracy - step / 100, step=step)
        run.log_artifact_ref("classifier", "model.bin", "model", **{"objective": "accuracy:max", **arguments})
        assert multitrack.open_journal().run(run.id).summary().models == {}  # known at the end
    return run


def recorded(run: Run) -> RecordedRun:
    return multitrack.open_journal().run(run.id)


def made(run: Run, name: str = "classifier") -> ModelVersion:
    return recorded(run).summary().models[name]


def test_versions_move_with_data_schema_and_objective() -> None:
    runs = [
        train(0.8, b"1"), train(0.9, b"2"), train(0.85, b"3"), train(0.95, b"4", data="2"),
        train(0.97, b"5", data="2"), train(0.5, b"6", data="3", columns={**COLUMNS, "sex": str}),
    ]  # fmt: skip
    assert [made(run).version for run in runs] == ["1.0.0", "1.1.0", "1.1.1", "1.1.2", "1.2.0", "2.0.0"]
    assert made(runs[1]).reasons == [
        "accuracy:max improved from 0.8 (1.0.0) to 0.9 on the same data", "written over 1.0.0 at the same path",
    ]  # fmt: skip
    assert made(runs[5]).reasons[0] == "train gained sex, compared with 1.2.0"
    model = multitrack.open_models().named("classifier")
    assert [(one.version, one.run, one.reasons) for one in model.versions] == [
        (made(run).version, run.id, made(run).reasons) for run in runs
    ]
    best, value = best_version(multitrack.open_journal(), model, "accuracy:max")
    assert (best.version, value) == ("1.2.0", 0.97)
    (found,) = multitrack.open_journal().runs(where='models.classifier = "1.1.0"')
    assert found.id == runs[1].id


def test_one_version_a_run_of_its_last_reference() -> None:
    with multitrack.start_run(project="p", backends=[]) as run:
        for i in range(3):
            run.log_artifact_ref("classifier", f"s3://bucket/{i}", kind="model", digest=f"sha256:{i}")
        run.log_artifact_ref("other", "s3://bucket/other", kind="model")
        run.log_artifact_ref("base", "s3://bucket/base", kind="model", role="input")
        run.log_artifact_ref("table", "s3://bucket/table", kind="dataset")
    assert {name: (one.version, one.uri) for name, one in recorded(run).summary().models.items()} == {
        "classifier": ("1.0.0", "s3://bucket/2"), "other": ("1.0.0", "s3://bucket/other"),
    }  # fmt: skip


def test_a_run_that_goes_on_keeps_its_version_until_the_file_changes() -> None:
    run = train(0.8, b"1")
    with multitrack.start_run(run_id=run.id, backends=[]) as again:
        again.log_metric("accuracy", 0.9, step=3)
    assert made(run).version == "1.0.0"
    with multitrack.start_run(run_id=run.id, backends=[]) as again:
        Path("model.bin").write_bytes(b"2")
        again.log_artifact_ref("classifier", "model.bin", kind="model")
    assert made(run).version == "1.0.1"
    assert len(multitrack.open_models().named("classifier").versions) == 2


def test_the_same_file_is_the_same_version() -> None:
    first, second = train(0.8, b"1"), train(0.9, b"1")
    assert made(second).version == "1.0.0"
    assert made(second).reasons == [f"the same file as 1.0.0 of run {first.id}"]
    assert len(multitrack.open_models().named("classifier").versions) == 1


def test_one_version_of_an_object_is_one_version() -> None:
    for _ in range(2):
        with multitrack.start_run(project="p", backends=[]) as run:
            run.log_artifact_ref("classifier", "s3://bucket/m?versionId=abc", kind="model")
    assert made(run).version == "1.0.0"
    assert [one.stored for one in multitrack.open_models().named("classifier").versions] == ["s3:abc"]


def test_a_reproduction_numbers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    original = train(0.8, b"1")
    monkeypatch.setenv("MULTITRACK_REPRODUCE", str(original.directory))
    assert recorded(train(0.9, b"2")).summary().models == {}
    assert len(multitrack.open_models().named("classifier").versions) == 1


def test_a_version_that_is_given(caplog: pytest.LogCaptureFixture) -> None:
    assert made(train(0.8, b"1", version="2.0.0")).reasons == ["given by the caller"]
    assert made(train(0.9, b"2")).version == "2.1.0"
    assert made(train(0.9, b"2", version="3.0.0")).version == "3.0.0"  # the same file, promoted
    with multitrack.start_run(project="p", backends=[]) as run:
        for wrong, message in (
            ({"version": "2.0.0"}, "version 2.0.0 of model 'classifier' exists already"),
            ({"version": "two"}, "MAJOR.MINOR.PIPELINE, such as '2.0.0'"),
            ({"objective": "quality"}, "say metrics.quality:min or metrics.quality:max"),
            ({"target": "y"}, "target is for a dataset"),
            ({"schema": {"age": int}}, 'must have "inputs" or "outputs"'),
        ):
            with pytest.raises(ValueError, match=message):
                run.log_artifact_ref("classifier", "model.bin", kind="model", **wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="objective is for a model"):
            run.log_artifact_ref("train", "train.csv", "dataset", "input", objective="accuracy")
        for given in ({"schema": 3}, {"objective": 3}, {"schema": {"inputs": object()}}):
            with pytest.raises(TypeError, match="must be"):
                run.log_artifact_ref("classifier", "model.bin", kind="model", **given)  # type: ignore[arg-type]
        run.log_artifact_ref("by tool", "s3://bucket/m", kind="model", version="s3:abc")
    assert recorded(run).summary().artifacts[0].version == "s3:abc"
    assert made(run, "by tool").version == "1.0.0"


def test_two_open_runs_that_give_one_version() -> None:
    first = multitrack.start_run(project="p", backends=[])
    second = multitrack.start_run(project="p", backends=[])
    for run in (first, second):
        run.log_artifact_ref("classifier", f"s3://bucket/{run.id}", kind="model", version="2.0.0")
    first.end()
    second.end()
    assert made(first).version == "2.0.0"
    assert made(second).version == "2.0.1"
    assert made(second).reasons[0] == f"2.0.0 was given, but run {first.id} has that version"


KILLED = """
import os, signal, multitrack
run = multitrack.start_run(project="p", backends=[])
run.log_artifact_ref("classifier", "s3://bucket/model", kind="model", digest="sha256:00")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_numbered_on_request(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False).returncode == -signal.SIGKILL
    (run,) = multitrack.open_journal().runs()
    wait_until(lambda: run.summary().status == "killed")  # a program that it was starting has its files until that runs
    assert run.summary().models == {}
    assert [one.version for one in number_models(run)] == ["1.0.0"]
    assert [one.version for one in number_models(run)] == ["1.0.0"]
    assert multitrack.open_models().get("classifier").run == run.id


def test_a_forked_child_numbers_nothing() -> None:
    run = multitrack.start_run(project="p", backends=[])
    run.log_artifact_ref("classifier", "s3://bucket/model", kind="model")
    child = os.fork()
    if child == 0:
        run.end()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert multitrack.open_models().models() == {}
    run.end()
    assert made(run).version == "1.0.0"


def test_a_schema_has_no_secrets_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2hunter2")
    with multitrack.start_run(project="p", backends=[]) as run:
        run.log_artifact_ref(
            "a", "s3://b/a", "dataset", "input", schema={"x": "hunter2hunter2hunter2"}, target=["y", "z"]
        )
        run.log_artifact_ref(
            "b", "s3://b/b", "dataset", "input", schema={f"column {i}": "float64" for i in range(9999)}
        )
    first, second = recorded(run).summary().artifacts
    assert "hunter2" not in str(first.schema)
    assert first.schema is not None
    assert first.schema["target"] == ["y", "z"]
    assert second.schema is not None
    assert second.schema.keys() == {"digest", "bytes"}
    assert second.schema["bytes"] > 64 << 10


def test_tables_and_types_are_schemas() -> None:
    import numpy as np
    import pandas as pd

    table = pd.DataFrame({"age": np.array([1, 2], "int32"), 5: [0.5, 1.5]})
    with multitrack.start_run(project="p", backends=[]) as run:
        run.log_artifact_ref("a", "s3://b/a", "dataset", "input", schema=table)
        run.log_artifact_ref("b", "s3://b/b", "dataset", "input", schema={"x": np.dtype("int8"), "y": str, "z": None})
    first, second = (ref.schema for ref in recorded(run).summary().artifacts)
    assert first == {"columns": {"age": "int32", "5": "float64"}}
    assert second == {"columns": {"x": "int8", "y": "str", "z": None}}
