"""Archives with damage: push mends them, pull and readers name them, and read the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import multitrack
from archives import contents, outcomes, record
from multitrack.archive import place, pull, push
from multitrack.cli import main


def damage(location: str, run_id: str, name: str, content: bytes) -> None:
    place.Archive(location)._store.put(f"runs/{run_id}/{name}", content)


def same_size(run: Path, name: str) -> bytes:
    return (run / name).read_bytes().replace(b"loss", b"gain")


@pytest.mark.parametrize("what", ["truncated", "manifest", "list", "no list", "list and truncated"])
def test_push_mends_what_is_missing_or_cut(location: str, tmp_path: Path, what: str) -> None:
    runs = [record(tmp_path / "here", name) for name in ("a", "b")]
    list(push(runs, location))
    if what == "manifest":
        place.Archive(location).delete("a", "manifest.json")
    if what == "no list":
        place.Archive(location).delete("a", "archive.json")
    if what.startswith("list"):
        damage(location, "a", "archive.json", b'{"files": ')
    if what.endswith("truncated"):
        damage(location, "a", "000001.jsonl", (runs[0] / "000001.jsonl").read_bytes()[:-9])
    (before, _) = pull(location, tmp_path / "before")
    assert before.outcome == ("incomplete" if what == "no list" else "failed")
    assert "push the run again" in before.reason or what == "no list"
    assert outcomes(push(runs, location)) == {"a": "new" if what == "no list" else "changed", "b": "unchanged"}
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "new", "b": "new"}
    assert contents(tmp_path / "there" / "runs" / "a") == contents(runs[0])
    assert outcomes(push(runs, location)) == {"a": "unchanged", "b": "unchanged"}


def test_push_verify_mends_changed_bytes(location: str, tmp_path: Path) -> None:
    run = record(tmp_path / "here", "a")
    list(push([run], location))
    damage(location, "a", "000001.jsonl", same_size(run, "000001.jsonl"))
    (failed,) = pull(location, tmp_path / "there")
    assert failed.reason.endswith("push the run again with --verify")
    arguments = ["push", location, "--journal", str(tmp_path / "here")]
    assert "1 unchanged" in CliRunner().invoke(main, arguments).stdout
    assert "1 changed" in CliRunner().invoke(main, [*arguments, "--verify"]).stdout
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "new"}
    assert contents(tmp_path / "there" / "runs" / "a") == contents(run)


def test_half_of_a_first_push_is_incomplete(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = record(tmp_path / "here", "a")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(place.Archive, "write_list", interrupted)
        list(push([run], location))
    result = CliRunner().invoke(main, ["pull", location, "--journal", str(tmp_path / "there")])
    assert (result.exit_code, "1 run; 1 incomplete" in result.stdout) == (1, True), result.output
    assert "a is not complete in the archive: push it again" in result.stderr
    assert outcomes(push([run], location)) == {"a": "new"}


def test_readers_leave_out_a_damaged_run(bucket: str, tmp_path: Path) -> None:
    runs = [record(tmp_path / "here", name) for name in "abc"]
    list(push(runs, bucket))
    damage(bucket, "b", "000001.jsonl", same_size(runs[1], "000001.jsonl"))
    for more in ([], ["--journal", str(tmp_path / "here")]):
        result = CliRunner().invoke(main, ["runs", "--json", "--journal", bucket, *more])
        assert result.exit_code == 1
        assert [run["id"] for run in json.loads(result.stdout)] == (["a", "b", "c"] if more else ["a", "c"])
        assert "000001.jsonl of run b in s3://runs/all is damaged: its sha256 is" in result.stderr
        assert "; it is left out" in result.stderr
    list(push(runs, bucket, verify=True))
    assert [run.id for run in multitrack.open_journal(bucket).runs()] == ["a", "b", "c"]
    damage(bucket, "b", "archive.json", b"{")
    result = CliRunner().invoke(main, ["runs", "--json", "--journal", bucket])
    assert [run["id"] for run in json.loads(result.stdout)] == ["a", "b", "c"]
    assert (result.exit_code, "; its earlier state is read" in result.stderr) == (1, True)


def test_a_damaged_run_is_not_pruned(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [record(tmp_path / "here", name) for name in "ab"]
    list(push(runs, bucket))
    data = str(tmp_path / "data")
    assert CliRunner().invoke(main, ["export", data, "--journal", bucket]).exit_code == 0
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    damage(bucket, "b", "000001.jsonl", same_size(runs[1], "000001.jsonl"))
    result = CliRunner().invoke(main, ["export", data, "--prune", "--journal", bucket])
    assert (result.exit_code, "--prune would remove runs that cannot be read now: b" in result.stderr) == (1, True)
    assert [run.id for run in multitrack.open_journal(data).runs()] == ["a", "b"]


def test_readers_name_a_run_that_is_being_pushed(bucket: str, tmp_path: Path) -> None:
    list(push([record(tmp_path / "here", name) for name in "ab"], bucket))
    place.Archive(bucket).delete("b", "archive.json")
    result = CliRunner().invoke(main, ["runs", "--json", "--journal", bucket])
    assert [run["id"] for run in json.loads(result.stdout)] == ["a"]
    assert (result.exit_code, "run b is not complete in s3://runs/all; it is left out" in result.stderr) == (0, True)


def test_readers_follow_an_archive_that_was_made_anew(bucket: str, tmp_path: Path) -> None:
    for name, points in (("one", 3), ("two", 5)):
        for path in place.Archive(bucket).sizes("a"):
            place.Archive(bucket).delete("a", path)
        list(push([record(tmp_path / name, "a", points=points)], bucket))
        assert len(multitrack.open_journal(bucket).run("a").get_metrics()["loss"]) == points


def test_a_reader_of_a_wrong_url(bucket: str, tmp_path: Path) -> None:
    wrong = CliRunner().invoke(main, ["runs", "--journal", "s3://runs/nope"])
    assert wrong.exit_code == 1
    assert "no data set in s3://runs/nope" in wrong.stderr
    assert "nor is there an archive of runs, which `multitrack push` makes" in wrong.stderr
    assert "bucket" not in wrong.stderr
    missing = CliRunner().invoke(main, ["runs", "--journal", "s3://rnus/nope"])
    assert "which `multitrack push` makes; there is no bucket rnus" in missing.stderr


def test_pull_takes_names_and_prefixes(location: str, tmp_path: Path) -> None:
    for run_id, name in (("20260101-a", "base"), ("20260101-b", "tuned"), ("20260202-c", "tuned")):
        config = {"journal": str(tmp_path / "here"), "delivery": "off"}
        with multitrack.start_run("p", run_id=run_id, name=name, config=config, backends=[]):
            pass
    list(push((tmp_path / "here" / "runs").iterdir(), location))
    for given, run_id in (("base", "20260101-a"), ("202602", "20260202-c"), ("20260101-b", "20260101-b")):
        result = CliRunner().invoke(main, ["pull", location, given, "--json", "--journal", str(tmp_path / given)])
        assert [one["id"] for one in json.loads(result.stdout)] == [run_id], result.output
    for several in ("tuned", "20260101"):
        result = CliRunner().invoke(main, ["pull", location, several, "--journal", str(tmp_path / "there")])
        assert result.exit_code == 1
        assert f"several runs match '{several}' in {location}: 20260101-" in result.stderr
    for unknown in ("z", ""):
        result = CliRunner().invoke(main, ["pull", location, unknown, "--journal", str(tmp_path / "there")])
        assert (result.exit_code, f"{location} has no run {unknown}" in result.stderr) == (1, True)
    assert not (tmp_path / "there").exists()
