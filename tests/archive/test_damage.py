"""Archives with damage: push mends them, pull and readers name them, and read the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import multitrack
from archives import contents, outcomes, record
from multitrack.archive import place, pull, push
from multitrack.archive.manifest import ArchivedRun
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


@pytest.mark.parametrize(("what", "message"), [
    ("segment", "000001.jsonl of run b in {0} is missing; push the run again; it is left out"),
    ("manifest", "manifest.json of run b in {0} is missing; push the run again; it is left out"),
    ("short", "000001.jsonl of run b in {0} has 100 bytes, not {1}; push the run again; it is left out"),
    ("list", "{0}/runs/b/archive.json is damaged: "),
])  # fmt: skip
def test_readers_of_a_directory_leave_out_a_damaged_run(tmp_path: Path, what: str, message: str) -> None:
    runs = [record(tmp_path / "here", name) for name in "abc"]
    location = tmp_path / "archive"
    list(push(runs, location))
    size = (runs[1] / "000001.jsonl").stat().st_size
    assert [run.id for run in multitrack.open_journal(location).runs()] == ["a", "b", "c"]  # which makes its caches
    if what == "list":
        damage(str(location), "b", "archive.json", b"{")
    elif what == "short":
        with (location / "runs" / "b" / "000001.jsonl").open("r+b") as file:  # the directory does not change
            file.truncate(100)
    else:
        place.Archive(location).delete("b", "manifest.json" if what == "manifest" else "000001.jsonl")
    for command in ("runs", "compare"):
        result = CliRunner().invoke(main, [command, "--json", "--journal", str(location)])
        found = json.loads(result.stdout)
        listed = [row["run"] for row in found["rows"]] if command == "compare" else [run["id"] for run in found]
        assert listed == ["a", "c"]
        assert (result.exit_code, result.stderr.count("run b") + result.stderr.count("runs/b")) == (1, 1)
        assert message.format(location, size) in result.stderr
    shown = CliRunner().invoke(main, ["show", "b", "--journal", str(location)])
    assert (shown.exit_code, "no run matches 'b'" in shown.stderr) == (1, True), shown.output
    assert message.format(location, size) in shown.stderr
    both = ["runs", "--json", "--journal", str(location), "--journal", str(tmp_path / "here")]
    result = CliRunner().invoke(main, both)
    assert ([run["id"] for run in json.loads(result.stdout)], result.exit_code) == (["a", "b", "c"], 1)
    list(push(runs, location))
    assert [run.id for run in multitrack.open_journal(location).runs()] == ["a", "b", "c"]


def test_a_reader_of_a_directory_checks_a_run_again_that_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [record(tmp_path / "here", name) for name in "ab"]
    location = tmp_path / "archive"
    list(push(runs, location))
    reader = multitrack.open_journal(location)
    assert [run.id for run in reader.runs()] == ["a", "b"]
    place.Archive(location).delete("b", "000001.jsonl")
    for _ in range(2):
        assert [run.id for run in reader.runs()] == ["a"]
    assert caplog.text.count("000001.jsonl of run b") == 1
    list(push(runs, location))
    assert [run.id for run in reader.runs()] == ["a", "b"]


def test_readers_of_a_directory_name_a_run_that_is_being_pushed(tmp_path: Path) -> None:
    location = tmp_path / "archive"
    list(push([record(tmp_path / "here", name) for name in "abc"], location))
    place.Archive(location).delete("b", "archive.json")
    listed = place.Archive(location).files_of("c")
    assert listed is not None
    listed.complete = False
    place.Archive(location).write_list("c", listed)
    (location / "runs" / "stray").write_text("x")
    (location / "runs" / "empty").mkdir()
    result = CliRunner().invoke(main, ["runs", "--json", "--journal", str(location)])
    assert [run["id"] for run in json.loads(result.stdout)] == ["a"]
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"multitrack: run {name} is not complete in {location}; it is left out" for name in "bc"
    ]


def test_a_run_that_was_recorded_in_an_archive_is_read(tmp_path: Path) -> None:
    location = tmp_path / "archive"
    list(push([record(tmp_path / "here", "a")], location))
    record(location, "a")  # goes on
    record(location, "b")
    assert [(run.id, run.summary().records) for run in multitrack.open_journal(location).runs()] == [("a", 7), ("b", 4)]


def test_deliveries_from_an_archive_are_no_damage(tmp_path: Path) -> None:
    run, location = record(tmp_path / "here", "a"), tmp_path / "archive"
    (run / "lanes" / "mlflow.json").write_text('{"backend": "mlflow", "position": 3}')
    list(push([run], location))
    (location / "runs" / "a" / "lanes" / "mlflow.json").write_text('{"backend": "mlflow", "position": 12}')
    assert [one.id for one in multitrack.open_journal(location).runs()] == ["a"]


def test_a_push_that_begins_while_a_run_is_checked_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = tmp_path / "archive"
    list(push([record(tmp_path / "here", "a")], location))
    real, listed = place.Archive.files_of, place.Archive(location).files_of("a")
    assert listed is not None
    before = [listed]
    place.Archive(location).write_list("a", ArchivedRun(listed.files, complete=False))
    place.Archive(location).delete("a", "000001.jsonl")
    monkeypatch.setattr(
        place.Archive, "files_of", lambda archive, run_id: before.pop() if before else real(archive, run_id)
    )
    result = CliRunner().invoke(main, ["runs", "--journal", str(location)])
    assert (result.exit_code, "run a is not complete in" in result.stderr) == (0, True), result.output
    assert "is missing" not in result.stderr


@pytest.mark.parametrize("call", [["runs"], ["compare"], ["show", "a"]])
def test_a_reader_of_an_archive_of_a_later_version(tmp_path: Path, call: list[str]) -> None:
    location = tmp_path / "archive"
    list(push([record(tmp_path / "here", "a")], location))
    (location / "multitrack-archive.json").write_text('{"version": 9}')
    result = CliRunner().invoke(main, [*call, "--journal", str(location)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{location} has version 9; this release of multitrack reads 1" in result.stderr


def test_pull_says_that_a_file_is_missing(location: str, tmp_path: Path) -> None:
    list(push([record(tmp_path / "here", "a")], location))
    place.Archive(location).delete("a", "000001.jsonl")
    result = CliRunner().invoke(main, ["pull", location, "--journal", str(tmp_path / "there")])
    assert result.exit_code == 1
    assert f"multitrack: 000001.jsonl of run a in {location} is missing; push the run again\n" in result.stderr


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
    for unknown in ("z", "tyr 3", ""):
        result = CliRunner().invoke(main, ["pull", location, unknown, "--journal", str(tmp_path / "there")])
        message = f"{location} has no run {unknown!r}; `multitrack runs --journal {location}` lists its runs"
        assert (result.exit_code, message in result.stderr) == (1, True)
    assert not (tmp_path / "there").exists()
