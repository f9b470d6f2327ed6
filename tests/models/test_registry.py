"""Versions and aliases in ``models.jsonl``: unique among processes, found by name, number and alias."""

import fcntl
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import ModelError
from multitrack.models import line_file
from multitrack.models.aliases import set_alias
from multitrack.models.check import difference_of
from multitrack.models.registry import FILE, ModelRegistry

WRITE = """
import sys, multitrack
for i in range(5):
    with multitrack.start_run(project="p", backends=[]) as run:
        run.log_artifact_ref("shared", f"s3://bucket/{sys.argv[1]}-{i}", kind="model", digest=f"sha256:{sys.argv[1]}{i}")
"""


def write(content: bytes = b"1", name: str = "classifier", **arguments: Any) -> multitrack.Run:
    Path("model.bin").write_bytes(content)
    with multitrack.start_run(project="p", backends=[]) as run:
        run.log_artifact_ref(name, "model.bin", kind="model", **arguments)
    return run


def versions(name: str = "classifier") -> list[str]:
    return [version.version for version in multitrack.open_models().named(name).versions]


def test_processes_at_once_get_different_numbers(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", WRITE, str(i)], cwd=tmp_path) for i in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert versions("shared") == [f"1.0.{i}" for i in range(15)]
    runs = {version.run for version in multitrack.open_models().named("shared").versions}
    assert runs == {run.id for run in multitrack.open_journal().runs()}
    assert len(runs) == 15


def test_a_version_is_found_by_name_number_and_alias(tmp_path: Path) -> None:
    first, second = write(b"1"), write(b"2")
    registry = multitrack.open_models()
    assert registry.get("classifier").run == second.id
    assert registry.get("classifier@1.0.0").run == first.id
    assert registry.get("classifier").path == tmp_path / "model.bin"
    for version, run in (("1.0.0", first), ("1.0.1", second)):
        model, found = registry.find(f"classifier@{version}")
        set_alias(registry, model, found, "prod")
        assert registry.get("classifier@prod").run == run.id
    assert registry.named("classifier").aliases == {"prod": "1.0.1"}
    set_alias(registry, *registry.find("classifier@prod"), "prod", present=False)
    assert registry.named("classifier").aliases == {}
    for wrong, message in (
        ("classifer", "did you mean 'classifier'"),
        ("other", "no model 'other' in .*; there are classifier"),
        ("classifier@prod", "no version or alias 'prod'; there are 1.0.1, 1.0.0"),
        ("classifier@3.0.0", "no version or alias '3.0.0'"),
    ):
        with pytest.raises(ModelError, match=message):
            registry.get(wrong)


def test_a_name_with_an_at_sign() -> None:
    run = write(name="user@host")
    registry = multitrack.open_models()
    assert registry.get("user@host").run == registry.get("user@host@1.0.0").run == run.id


@pytest.mark.parametrize("alias", ["1.0.0", "a@b", "", "x" * 2001])
def test_texts_that_are_no_alias(alias: str) -> None:
    write()
    registry = multitrack.open_models()
    with pytest.raises(ModelError, match="alias"):
        set_alias(registry, *registry.find("classifier"), alias)
    assert registry.named("classifier").aliases == {}


def test_damaged_lines_cost_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(b"1")
    path = tmp_path / ".multitrack" / FILE
    whole = path.read_bytes()
    path.write_bytes(b"\xff\n" + whole + b'{"record":"other"}\n' + whole[:40])  # a disk that was full
    write(b"2")
    with caplog.at_level(logging.WARNING):
        assert versions() == ["1.0.0", "1.0.1"]
    assert "3 damaged lines were passed over" in caplog.text
    assert path.read_bytes().count(b"\n") == 5


def test_a_lock_that_is_held_costs_the_version_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(line_file, "_WAIT", 0.1)
    path = tmp_path / ".multitrack" / FILE
    path.parent.mkdir()
    with path.with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run = write()
    recorded = multitrack.open_journal().run(run.id)
    assert recorded.summary().status == "finished"
    assert recorded.summary().models == {}
    assert f"locked for 0.1 s; `multitrack models add {run.id}`" in caplog.text


def test_a_link_instead_of_the_file_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious\n")
    (tmp_path / ".multitrack").mkdir()
    (tmp_path / ".multitrack" / FILE).symlink_to(elsewhere)
    write()
    assert elsewhere.read_bytes() == b"precious\n"
    assert "its models have no versions" in caplog.text
    with pytest.raises(multitrack.JournalError, match=FILE):
        multitrack.open_models().models()


def test_a_file_is_verified_by_its_digest(tmp_path: Path) -> None:
    write()
    version = multitrack.open_models().get("classifier")
    assert difference_of(version) is None
    (tmp_path / "model.bin").write_bytes(b"other")
    assert "its digest is sha256:" in str(difference_of(version))
    (tmp_path / "model.bin").unlink()
    assert "cannot be read" in str(difference_of(version))
    with multitrack.start_run(project="p", backends=[]) as run:
        run.log_artifact_ref("remote", "s3://bucket/model", kind="model", digest="sha256:00")
        run.log_artifact_ref("unread", tmp_path / "none", kind="model", digest=False)
    assert difference_of(multitrack.open_models().get("remote")) == "only local files can be verified"
    assert difference_of(multitrack.open_models().get("unread")) == "no digest was recorded"


def test_no_models(tmp_path: Path) -> None:
    assert ModelRegistry(tmp_path).models() == {}
