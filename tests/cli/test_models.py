"""``multitrack models``: lists, shows, gets, verifies and names versions."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import multitrack
from multitrack.cli import main


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


@pytest.fixture
def runs(tmp_path: Path) -> list[multitrack.Run]:
    written = []
    for i, accuracy in enumerate((0.8, 0.9, 0.7)):
        path = tmp_path / f"{i}.bin"
        path.write_bytes(b"%d" % i)
        with multitrack.start_run("digits", backends=[]) as run:
            run.log_artifact_ref("train", "s3://bucket/train", "dataset", "input", version="delta:1")
            run.log_metric("accuracy", accuracy)
            run.log_artifact_ref("classifier", path, kind="model", objective="accuracy")
        written.append(run)
    return written


def test_list_and_show(runs: list[multitrack.Run]) -> None:
    assert [line.split()[:3] for line in invoke().stdout.splitlines()[1:]] == [["classifier", "1.1.1", "3"]]
    (model,) = json.loads(invoke("--json").stdout)
    assert [one["version"] for one in model["versions"]] == ["1.0.0", "1.1.0", "1.1.1"]
    assert [one["run"] for one in model["versions"]] == [run.id for run in runs]
    shown = invoke("show", "classifier").stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == ["1.1.1", "1.1.0", "1.0.0"]
    assert "accuracy improved from 0.8 (1.0.0) to 0.9 on the same data" in shown
    assert json.loads(invoke("show", "classifier", "--json").stdout) == model
    assert json.loads(invoke("--json", "show", "classifier").stdout) == model


@pytest.mark.parametrize(
    ("arguments", "version"),
    [(["classifier"], 2), (["classifier@1.0.0"], 0), (["classifier@prod"], 1), (["classifier", "--alias", "prod"], 1),
     (["classifier", "--best", "accuracy"], 1), (["classifier", "--best", "accuracy:min"], 2)],
)  # fmt: skip
def test_get(runs: list[multitrack.Run], tmp_path: Path, arguments: list[str], version: int) -> None:
    assert invoke("alias", "classifier@1.1.0", "prod").exit_code == 0
    result = invoke("get", *arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == str(tmp_path / f"{version}.bin")
    found = json.loads(invoke("get", *arguments, "--json").stdout)
    assert (found["uri"], found["run"]) == ((tmp_path / f"{version}.bin").as_uri(), runs[version].id)


def test_verify(runs: list[multitrack.Run], tmp_path: Path) -> None:
    assert invoke("get", "classifier", "--verify").exit_code == 0
    (tmp_path / "2.bin").write_bytes(b"other")
    result = invoke("get", "classifier", "--verify")
    assert result.exit_code == 1
    assert "its digest is sha256:" in result.stderr
    assert json.loads(invoke("get", "classifier", "--verify", "--json").stdout)["verified"] is False


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["get", "classifer"], 1, "did you mean 'classifier'?"),
        (["get", "classifier@9.0.0"], 1, "no version or alias '9.0.0'; there are 1.1.1"),
        (["get", "classifier", "--best", "loss"], 1, "has a finite loss"),
        (["get", "classifier", "--best", "quality"], 1, "has a metric quality"),
        (["get", "classifier", "--best", "accuracy", "--alias", "prod"], 2, "one of them"),
        (["show", "other"], 1, "there are classifier"),
        (["alias", "classifier", "prod", "--remove"], 1, "no version or alias 'prod'"),
        (["get", "classifier@1.0.0", "--best", "accuracy"], 2, "one of them"),
        (["show", "classifier@1.0.0"], 2, "multitrack models get classifier@1.0.0"),
        (["alias", "classifier@1.0.0", "1.0.0"], 1, "an alias must not be a version"),
    ],
)
def test_mistakes(runs: list[multitrack.Run], arguments: list[str], status: int, message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == status, result.output
    assert message in result.stderr


def test_an_alias_is_removed_from_the_version_that_has_it(runs: list[multitrack.Run]) -> None:
    assert invoke("alias", "classifier@1.1.0", "prod").exit_code == 0
    result = invoke("alias", "classifier@1.0.0", "prod", "--remove")
    assert result.exit_code == 1
    assert "classifier 1.0.0 has no alias 'prod'; 1.1.0 has it" in result.stderr
    assert multitrack.open_models().get("classifier@prod").version == "1.1.0"
    assert invoke("alias", "classifier", "prod", "--remove").exit_code == 0
    assert multitrack.open_models().named("classifier").aliases == {}


def test_an_alias_of_a_deleted_run_is_set_in_the_journal_alone(runs: list[multitrack.Run]) -> None:
    shutil.rmtree(str(runs[1].directory))
    result = invoke("alias", "classifier@1.1.0", "prod")
    assert result.exit_code == 0
    assert f"run {runs[1].id} was deleted: no tracker is told of the alias" in result.stderr
    assert multitrack.open_models().get("classifier@prod").version == "1.1.0"


def test_a_file_that_a_later_version_was_written_over(tmp_path: Path) -> None:
    for content in (b"1", b"2"):
        (tmp_path / "model.bin").write_bytes(content)
        with multitrack.start_run("digits", backends=[]) as run:
            run.log_artifact_ref("classifier", "model.bin", kind="model")
    assert "classifier 1.0.1 was written over this file" in invoke("get", "classifier@1.0.0").stderr
    assert invoke("get", "classifier").stderr == ""
    assert "written over 1.0.0 at the same path" in multitrack.open_models().get("classifier").reasons


def test_add_says_what_it_cannot_number(runs: list[multitrack.Run]) -> None:
    result = invoke("add", runs[0].id)
    assert (result.exit_code, result.stdout) == (0, "classifier 1.0.0: the first version\n")
    with multitrack.start_run("digits", backends=[]) as run:
        assert "is still running" in invoke("add", run.id).stderr
    result = invoke("add", run.id)
    assert (result.exit_code, "wrote no model" in result.stderr) == (1, True)


def test_a_journal_without_models(tmp_path: Path) -> None:
    multitrack.start_run("digits", backends=[]).end()
    result = invoke()
    assert (result.exit_code, result.stdout) == (0, "")
    assert 'run.log_artifact_ref(name, path, kind="model") makes one' in result.stderr
    assert json.loads(invoke("--json").stdout) == []


def test_names_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    evil: Any = "\x1b[2Jred\u202e"
    with multitrack.start_run("digits", backends=[]) as run:
        run.log_artifact_ref(evil, f"s3://bucket/{evil}", kind="model")
    for arguments in ([], ["show", evil], ["get", evil], ["alias", evil, evil], ["get", f"{evil}@none"]):
        output = invoke(*arguments).output
        assert output
        assert "\x1b" not in output
        assert "\u202e" not in output
