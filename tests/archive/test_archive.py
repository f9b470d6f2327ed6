"""Runs pushed to an archive and pulled from it are the same, on a disk and in an S3 server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import multitrack
from archives import contents, outcomes, record
from multitrack.archive import Pulled, Pushed, place, pull, push
from multitrack.archive.manifest import digest_of
from multitrack.cli import main
from multitrack.dataset.stores import RemoteStore
from multitrack.errors import ArchiveError


def sizes(found: Any) -> int:
    return sum(one.size for one in found)


def test_there_and_back(location: str, tmp_path: Path) -> None:
    runs = [record(tmp_path / "here", name) for name in ("a", "b")]
    multitrack.open_journal(tmp_path / "here").run("a").summary()
    (runs[0] / "files" / "deep").mkdir(parents=True)
    (runs[0] / "files" / "deep" / "ümlaut.txt").write_text("x")
    assert outcomes(push(runs, location)) == {"a": "new", "b": "new"}
    pulled = list(pull(location, tmp_path / "there"))
    assert outcomes(pulled) == {"a": "new", "b": "new"}
    for run in runs:
        copy = tmp_path / "there" / "runs" / run.name
        assert contents(copy) == contents(run) != {}
        assert "lock" not in contents(run)
        assert not list(copy.glob("*.msgpack"))
        assert {path.stat().st_mode & 0o077 for path in [copy, *copy.rglob("*")]} == {0}
    before, after = (multitrack.open_journal(tmp_path / name).run("a") for name in ("here", "there"))
    assert after.get_metrics() == before.get_metrics()
    assert after.summary() == before.summary()
    assert (outcomes(push(runs, location)), sizes(push(runs, location))) == ({"a": "unchanged", "b": "unchanged"}, 0)
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "unchanged", "b": "unchanged"}


def test_only_changes_are_copied(location: str, tmp_path: Path) -> None:
    run = record(tmp_path / "here", "a", points=2000)
    (first,) = push([run], location)
    list(pull(location, tmp_path / "there"))
    record(tmp_path / "here", "a")
    (second,) = push([run], location)
    assert second.outcome == "changed"
    assert 0 < second.size < first.size / 2
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "changed"}
    assert contents(tmp_path / "there" / "runs" / "a") == contents(run)
    (run / "code" / "x.txt").parent.mkdir(exist_ok=True)
    (run / "code" / "x.txt").write_text("x")
    assert outcomes(push([run], location)) == {"a": "changed"}
    (run / "code" / "x.txt").unlink()
    assert outcomes(push([run], location)) == {"a": "changed"}
    assert "code/x.txt" not in place.Archive(location).files_of("a").files  # type: ignore[union-attr]


def test_a_run_that_goes_on_is_left_for_later(location: str, tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "here"), "delivery": "off"}
    run = multitrack.start_run("p", run_id="a", config=config, backends=[])
    assert run.directory is not None
    assert outcomes(push([run.directory], location)) == {"a": "running"}
    assert list(pull(location, tmp_path / "there")) == []
    run.end()
    assert outcomes(push([run.directory], location)) == {"a": "new"}


def test_a_run_that_differs_is_left_alone(location: str, tmp_path: Path) -> None:
    list(push([record(tmp_path / "here", "a")], location))
    other = record(tmp_path / "there", "a", points=5)
    before = contents(other)
    result = CliRunner().invoke(main, ["pull", location, "--journal", str(tmp_path / "there")])
    assert result.exit_code == 1
    assert "a differs from the run of this id in" in result.stderr
    assert contents(other) == before
    shutil.rmtree(tmp_path / "there")
    list(pull(location, tmp_path / "there"))
    record(tmp_path / "there", "a")
    before = contents(other)
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "unchanged"}  # it went on here, and has all of it
    assert contents(other) == before


def test_deliveries_of_the_journal_stay(location: str, tmp_path: Path) -> None:
    run = record(tmp_path / "here", "a")
    list(push([run], location))
    list(pull(location, tmp_path / "there"))
    lanes = tmp_path / "there" / "runs" / "a" / "lanes"
    (lanes / "mlflow.json").write_text('{"backend": "mlflow", "position": 3}')
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "unchanged"}
    for position, expected in ((9, 9), (2, 11)):
        (run / "lanes" / "mlflow.json").write_text(f'{{"backend": "mlflow", "position": {position}}}')
        record(tmp_path / "here", "a")
        list(push([run], location))
        assert outcomes(pull(location, tmp_path / "there")) == {"a": "changed"}
        assert json.loads((lanes / "mlflow.json").read_text())["position"] == expected
        (lanes / "mlflow.json").write_text('{"backend": "mlflow", "position": 11}')


@pytest.mark.parametrize("damage", ["bytes", "missing", "list", "path", "later"])
def test_a_damaged_archive_is_named(tmp_path: Path, damage: str) -> None:
    location = tmp_path / "archive"
    list(push([record(tmp_path / "here", "a")], location))
    folder = location / "runs" / "a"
    listed = json.loads((folder / "archive.json").read_text())
    if damage == "bytes":
        segment = folder / "000001.jsonl"
        segment.write_bytes(segment.read_bytes().replace(b"loss", b"gain"))
    elif damage == "missing":
        (folder / "000001.jsonl").unlink()
    elif damage == "list":
        (folder / "archive.json").write_text('{"files": 3')
    else:
        if damage == "path":
            listed["files"]["../../x"] = listed["files"].pop("000001.jsonl")
        else:
            listed["version"] = 2
        (folder / "archive.json").write_text(json.dumps(listed))
    (found,) = pull(location, tmp_path / "there")
    assert found.outcome == "failed"
    message = {
        "bytes": "000001.jsonl of run a in .* is damaged: its sha256 is", "missing": "000001.jsonl of run a in .* is missing; push the run again$",
        "list": "archive.json is damaged", "path": "invalid name: '../../x'", "later": "has version 2",
    }[damage]  # fmt: skip
    assert re.search(message, found.reason), found.reason
    assert not (tmp_path / "there" / "runs" / "a").exists()


def test_what_was_interrupted_goes_on(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [record(tmp_path / "here", name, points=300) for name in ("a", "b", "c")]
    monkeypatch.setattr("multitrack.archive.pushing._LARGE", 1)
    original, calls = place.Archive.upload, []

    def failing(archive: place.Archive, run_id: str, name: str, source: Path) -> Any:
        calls.append((run_id, name))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(archive, run_id, name, source)

    monkeypatch.setattr(place.Archive, "upload", failing)
    with pytest.raises(KeyboardInterrupt):
        list(push(runs, location))
    before = list(calls)
    assert outcomes(pull(location, tmp_path / "early"))["a"] == "new" or before[3][0] == "a"
    assert set(outcomes(push(runs, location)).values()) <= {"new", "changed", "unchanged"}
    assert not set(before[:3]) & set(calls[4:]), "nothing is copied twice"
    assert outcomes(pull(location, tmp_path / "there")) == dict.fromkeys("abc", "new")
    for run in runs:
        assert contents(tmp_path / "there" / "runs" / run.name) == contents(run)


STEPS = """
import os, signal, sys
from pathlib import Path
from multitrack.archive import pull, push

steps, last = 0, int(sys.argv[2])

def look(event, _):
    global steps
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "shutil.rmtree"):
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(look)
if sys.argv[1] == "push":
    list(push(sorted(Path("here/runs").glob("run*")), "archive"))
else:
    list(pull("archive", Path("there")))
os._exit(0)
"""


@pytest.mark.parametrize("call", ["push", "pull"])
def test_kill_9_at_any_step(tmp_path: Path, call: str) -> None:
    runs = [record(tmp_path / "here", f"run{number:02}", points=50) for number in range(12)]
    if call == "pull":
        list(push(runs, tmp_path / "archive"))
    for step in (1, 7, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28):  # of what each one left
        code = [sys.executable, "-c", STEPS, call, str(step)]
        assert subprocess.run(code, cwd=tmp_path, check=False, timeout=60).returncode == -signal.SIGKILL
        for copy in (tmp_path / "there" / "runs").glob("run*"):  # there only once it is whole
            assert contents(copy) == contents(tmp_path / "here" / "runs" / copy.name)
    assert set(outcomes(push(runs, tmp_path / "archive")).values()) <= {"new", "changed", "unchanged"}
    list(pull(tmp_path / "archive", tmp_path / "there"))
    copies = sorted((tmp_path / "there" / "runs").glob("run*"))
    assert [contents(copy) for copy in copies] == [contents(run) for run in runs]
    assert len(copies) == 12


@pytest.mark.parametrize("size", [0, 5])
def test_a_first_copy_that_was_cut_within_its_first_line_goes_on(size: int, tmp_path: Path) -> None:
    run = record(tmp_path / "here", "run")
    list(push([run], tmp_path / "archive"))
    folder = tmp_path / "archive" / "runs" / "run"
    (folder / "archive.json").unlink()
    os.truncate(folder / "000001.jsonl", size)
    assert outcomes(push([run], tmp_path / "archive")) == {"run": "new"}
    list(pull(tmp_path / "archive", tmp_path / "there"))
    assert contents(tmp_path / "there" / "runs" / "run") == contents(run)


def test_kill_9_while_a_run_is_replaced(tmp_path: Path) -> None:
    run = record(tmp_path / "here", "run")
    (run / "lanes" / "mlflow.json").write_text('{"backend": "mlflow", "position": 2}')
    list(push([run], tmp_path / "archive"))
    list(pull(tmp_path / "archive", tmp_path / "there"))
    lane = tmp_path / "there" / "runs" / "run" / "lanes" / "mlflow.json"
    lane.write_text('{"backend": "mlflow", "position": 4}')
    record(tmp_path / "here", "run")
    list(push([run], tmp_path / "archive"))
    killed = 0
    for step in range(1, 70):  # of one replacement, begun anew each time
        shutil.rmtree(tmp_path / "before", ignore_errors=True)
        shutil.copytree(tmp_path / "there", tmp_path / "before")
        code = [sys.executable, "-c", STEPS, "pull", str(step)]
        killed += subprocess.run(code, cwd=tmp_path, check=False, timeout=60).returncode == -signal.SIGKILL
        list(pull(tmp_path / "archive", tmp_path / "there"))
        expected = contents(run) | {"lanes/mlflow.json": digest_of(lane)}
        found = contents(tmp_path / "there" / "runs" / "run"), json.loads(lane.read_text())["position"]
        assert found == (expected, 4), step
        shutil.rmtree(tmp_path / "there")
        (tmp_path / "before").rename(tmp_path / "there")
    assert 10 < killed < 69, "each step of the whole replacement"


def test_a_directory_is_a_journal_and_a_url_is_opened(location: str, tmp_path: Path) -> None:
    list(push([record(tmp_path / "here", "a")], location))
    for _ in range(2):
        run = multitrack.open_journal(location).run("a")
        assert [point.value for point in run.get_metrics()["loss"]] == [1.0, 0.5, 1 / 3]
    record(tmp_path / "here", "a")
    list(push([tmp_path / "here" / "runs" / "a"], location))
    assert len(multitrack.open_journal(location).run("a").get_metrics()["loss"]) == 6
    list(push([record(tmp_path / "here", "b")], location))
    assert [run.id for run in multitrack.open_journal(location).runs()] == ["a", "b"]
    for name in place.Archive(location).sizes("b"):
        place.Archive(location).delete("b", name)
    result = CliRunner().invoke(main, ["runs", "--journal", location, "--json"])
    assert [run["id"] for run in json.loads(result.stdout)] == ["a"]


def test_readers_see_what_another_process_pushed(bucket: str, tmp_path: Path) -> None:
    list(push([record(tmp_path / "here", "a")], bucket))
    assert [run.id for run in multitrack.open_journal(bucket).runs()] == ["a"]
    record(tmp_path / "here", "b")
    command = [sys.executable, "-m", "multitrack", "push", bucket, "--journal", "here"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60, capture_output=True)
    assert [run.id for run in multitrack.open_journal(bucket).runs()] == ["a", "b"]


def test_the_commands(location: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        record(tmp_path / "here", name)
    call = CliRunner().invoke
    first = call(main, ["push", location, "--journal", str(tmp_path / "here"), "--where", "name ~ ''", "a"])
    assert first.exit_code == 0, first.output
    assert f"{location}: 1 run; 1 new" in first.stdout
    second = call(main, ["push", location, "--journal", str(tmp_path / "here"), "--json"])
    assert {one["id"]: one["outcome"] for one in json.loads(second.stdout)} == {"a": "unchanged", "b": "new"}
    pulled = call(main, ["pull", location, "b", "--journal", str(tmp_path / "there")])
    assert "1 run; 1 new" in pulled.stdout
    assert [run.id for run in multitrack.open_journal(tmp_path / "there").runs()] == ["b"]
    unknown = call(main, ["pull", location, "z", "--journal", str(tmp_path / "there")])
    assert unknown.exit_code == 1
    assert f"{location} has no run 'z'; " in unknown.stderr
    nothing = call(main, ["pull", str(tmp_path / "empty"), "--journal", str(tmp_path / "there")])
    assert (nothing.exit_code, "`multitrack push` makes one" in nothing.stderr) == (1, True)


def test_a_server_that_is_not_there(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        there.setenv("AWS_MAX_ATTEMPTS", "1")
        RemoteStore(bucket)._fs.clear_instance_cache()
        with pytest.raises(ArchiveError, match="s3://runs/all"):
            list(push([record(tmp_path / "here", "a")], bucket))
        RemoteStore(bucket)._fs.clear_instance_cache()


def test_runs_that_fail_one_after_the_other_end_it(tmp_path: Path) -> None:
    runs = [record(tmp_path / "here", name) for name in "abcde"]
    for run in runs:
        (run / "link").symlink_to("/etc/passwd")
    found: list[Pushed] = []
    with pytest.raises(ArchiveError, match="3 runs failed one after the other; the rest was not tried"):
        found.extend(push(runs, tmp_path / "archive"))
    (runs[1] / "link").unlink()
    (runs[4] / "link").unlink()
    assert list(outcomes(push(runs, tmp_path / "archive")).values()) == ["failed", "new", "failed", "failed", "new"]


def test_two_pulls_at_once(tmp_path: Path) -> None:
    list(push([record(tmp_path / "here", f"run{number}") for number in range(20)], tmp_path / "archive"))
    code = [sys.executable, "-c", STEPS, "pull", "0"]
    both = [subprocess.Popen(code, cwd=tmp_path, env=dict(os.environ)) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    found: list[Pulled] = list(pull(tmp_path / "archive", tmp_path / "there"))
    assert outcomes(found) == {f"run{number}": "unchanged" for number in range(20)}
