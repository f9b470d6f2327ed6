"""What push and pull leave alone: other runs of an id, later states, other places, and versions of later releases."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from click.testing import CliRunner

import multitrack
from archives import contents, outcomes, record
from multitrack.archive import place, pull, push
from multitrack.cli import main
from multitrack.compaction.runs import compact_runs
from multitrack.errors import ArchiveError
from multitrack.journal.manifest import Compaction


def stored(location: str, run_id: str) -> dict[str, int]:
    return place.Archive(location).sizes(run_id)


def test_a_stale_copy_does_not_replace_the_run(location: str, tmp_path: Path) -> None:
    run = record(tmp_path / "here", "a")
    list(push([run], location))
    list(pull(location, tmp_path / "stale"))
    record(tmp_path / "here", "a")
    list(push([run], location))
    before = stored(location, "a")
    assert "000002.jsonl" in before
    result = CliRunner().invoke(main, ["push", location, "--journal", str(tmp_path / "stale")])
    assert (result.exit_code, f"{location}: 1 run; 1 differs" in result.stdout) == (1, True), result.output
    stale = tmp_path / "stale" / "runs" / "a"
    assert f"a: {stale} does not go on from the run of this id in {location}" in result.stderr
    assert stored(location, "a") == before
    record(tmp_path / "stale", "a", points=7)  # goes on differently
    assert outcomes(push([stale], location)) == {"a": "differs"}
    assert stored(location, "a") == before
    record(tmp_path / "here", "a")
    assert outcomes(push([run], location)) == {"a": "changed"}


def test_of_two_runs_with_an_id_the_first_is_kept(location: str, tmp_path: Path) -> None:
    runs = [record(tmp_path / name, "a", points=points) for name, points in (("one", 3), ("two", 5))]
    assert [one.outcome for one in push(runs, location)] == ["new", "differs"]
    list(pull(location, tmp_path / "there"))
    assert contents(tmp_path / "there" / "runs" / "a") == contents(runs[0])


def test_a_part_of_another_run_is_not_overwritten(location: str, tmp_path: Path) -> None:
    runs = [record(tmp_path / name, "a", points=points) for name, points in (("one", 3), ("two", 5))]
    list(push(runs[:1], location))
    place.Archive(location).delete("a", "archive.json")
    assert outcomes(push(runs[1:], location)) == {"a": "differs"}
    assert outcomes(push(runs[:1], location)) == {"a": "new"}


def test_a_longer_segment_goes_on(location: str, tmp_path: Path) -> None:
    run = record(tmp_path / "here", "a")
    segment = run / "000001.jsonl"
    whole = segment.read_bytes()
    segment.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    list(push([run], location))
    list(pull(location, tmp_path / "there"))
    segment.write_bytes(whole.replace(b"loss", b"gain"))
    assert outcomes(push([run], location)) == {"a": "differs"}
    segment.write_bytes(whole)
    place.Archive(location).delete("a", "000001.jsonl")  # which leaves nothing to compare with
    assert outcomes(push([run], location)) == {"a": "changed"}
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "changed"}
    assert contents(tmp_path / "there" / "runs" / "a") == contents(run)


def test_a_compacted_run_goes_on(location: str, tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "here"), "delivery": "off"}
    with multitrack.start_run("p", run_id="a", config=config, backends=[]) as started:
        for number in range(2000):
            started.log_metric("latency", number % 7)
    run = tmp_path / "here" / "runs" / "a"
    record(tmp_path / "here", "a")  # a second segment, so that the first is closed
    list(push([run], location))
    for name in ("there", "stale"):
        list(pull(location, tmp_path / name))
    assert [one.segments for one in compact_runs([run], Compaction(0, ["metrics"]))] != [0]
    (pushed,) = push([run], location)
    assert pushed.outcome == "changed", pushed.reason
    stale = tmp_path / "stale" / "runs" / "a"
    assert outcomes(push([stale], location)) == {"a": "differs"}
    assert outcomes(pull(location, tmp_path / "there")) == {"a": "changed"}
    assert contents(tmp_path / "there" / "runs" / "a") == contents(run)
    list(push([stale], tmp_path / "earlier"))
    assert outcomes(pull(tmp_path / "earlier", tmp_path / "there")) == {"a": "unchanged"}


@pytest.mark.parametrize("what", ["journal", "another journal", "data set", "files", "file"])
def test_a_place_with_something_else_is_refused(tmp_path: Path, what: str) -> None:
    journal, target = tmp_path / "here", tmp_path / "target"
    run = record(journal, "a")
    if what == "journal":
        target = journal
    elif what == "another journal":
        record(target, "b")
    elif what == "file":
        target.write_text("x")
    else:
        target.mkdir()
        (target / ("dataset.json" if what == "data set" else "x")).write_text("{}")
    before = {path: path.stat() for path in [tmp_path, *tmp_path.rglob("*")]}
    message = {
        "files": "is not empty, and no archive", "data set": "is a data set, and", "file": "Not a directory",
    }.get(what, "is a journal, and no archive")  # fmt: skip
    with pytest.raises(ArchiveError, match=message):
        push([run], target)
    assert {path: path.stat() for path in [tmp_path, *tmp_path.rglob("*")]} == before
    result = CliRunner().invoke(main, ["push", str(target), "--journal", str(journal)])
    assert (result.exit_code, str(target) in result.stderr) == (1, True)


def test_a_prefix_with_objects_is_refused(bucket: str, tmp_path: Path) -> None:
    fsspec.filesystem("s3").pipe(f"{bucket}/dataset.json", b"{}")
    run = record(tmp_path / "here", "a")
    with pytest.raises(ArchiveError, match=r"s3://runs/all is a data set, and no archive"):
        push([run], bucket)
    fsspec.filesystem("s3").rm(f"{bucket}/dataset.json")
    fsspec.filesystem("s3").pipe("s3://runs/alligator", b"")
    assert outcomes(push([run], bucket)) == {"a": "new"}


def test_no_bucket_is_made(bucket: str, tmp_path: Path) -> None:
    run = record(tmp_path / "here", "a")
    with pytest.raises(ArchiveError, match="no bucket rnus; `multitrack push` makes none"):
        push([run], "s3://rnus/all")
    with pytest.raises(ArchiveError, match="no archive of runs in s3://rnus/all; there is no bucket rnus"):
        pull("s3://rnus/all", tmp_path / "there")
    fsspec.filesystem("s3").invalidate_cache()
    assert fsspec.filesystem("s3").ls("") == ["runs"]


@pytest.mark.parametrize(("location", "message"), [
    ("", "the location is empty"), ("s3:/bucket/x", "s3:/bucket/x is no URL: two slashes follow"), (Path("s3://b/x"), "s3:/b/x is no URL"),
    ("memory://x", "lost when this process ends"), ("nope://x", "^nope://x: Protocol not known: nope$"),
    ("s3://a,b/x", r'^s3://a,b/x: Parameter validation failed: Invalid bucket name "a,b"'),
])  # fmt: skip
def test_what_is_no_place(bucket: str, tmp_path: Path, location: str | Path, message: str) -> None:
    run = record(tmp_path / "here", "a")
    before = sorted(Path().rglob("*"))
    with pytest.raises(ArchiveError, match=message):
        push([run], location)
    assert sorted(Path().rglob("*")) == before


def test_what_is_no_run(tmp_path: Path) -> None:
    for wrong in ("elsewhere", tmp_path, b"x"):
        with pytest.raises(TypeError, match="directories must be an iterable of runs' directories"):
            push(wrong, tmp_path / "archive")  # type: ignore[arg-type]
    assert not (tmp_path / "archive").exists()
    run = record(tmp_path / "here", "a")
    (tmp_path / "other").mkdir()
    found = list(push([str(run), tmp_path / "other"], tmp_path / "archive"))
    assert [one.outcome for one in found] == ["new", "failed"]
    assert f"{tmp_path / 'other'} is no run's directory" in found[1].reason
    (inside,) = push([tmp_path / "archive" / "runs" / "a"], tmp_path / "archive")
    assert (inside.outcome, "is in the archive itself" in inside.reason) == ("failed", True)


@pytest.mark.parametrize("call", [
    lambda run, location: push([run], location), lambda _, location: pull(location, Path("there")),
])  # fmt: skip
@pytest.mark.parametrize(("mark", "message"), [
    ('{"version": 9}', "has version 9; this release of multitrack reads 1"),
    ("{", r'multitrack-archive.json is damaged: .*write {"version": 1} into it'),
])  # fmt: skip
def test_an_archive_of_a_later_version(
    tmp_path: Path, call: Callable[[Path, Path], object], mark: str, message: str
) -> None:
    run, location = record(tmp_path / "here", "a"), tmp_path / "archive"
    list(push([run], location))
    (location / "multitrack-archive.json").write_text(mark)
    with pytest.raises(ArchiveError, match=message):
        call(run, location)


def test_a_list_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    run, location = record(tmp_path / "here", "a"), tmp_path / "archive"
    list(push([run], location))
    path = location / "runs" / "a" / "archive.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    before = path.read_bytes()
    (found,) = push([run], location)
    assert (found.outcome, "has version 2" in found.reason) == ("failed", True)
    assert path.read_bytes() == before


def test_only_the_owner_reads_an_archive(tmp_path: Path) -> None:
    run, location = record(tmp_path / "here", "a"), tmp_path / "new" / "archive"
    (run / "files" / "deep").mkdir(parents=True)
    (run / "files" / "deep" / "x").write_text("x")
    list(push([run], location))
    assert {path.stat().st_mode & 0o077 for path in [location, *location.rglob("*")]} == {0}
    shutil.rmtree(location)
    location.mkdir(mode=0o755)  # as it was made for this, such as a mount
    list(push([run], location))
    assert {path.stat().st_mode & 0o077 for path in location.rglob("*")} == {0}


def test_a_named_run_that_is_being_written(tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "here"), "delivery": "off"}
    run = multitrack.start_run("p", run_id="a", config=config, backends=[])
    arguments = ["push", str(tmp_path / "archive"), "--journal", str(tmp_path / "here")]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    named = CliRunner().invoke(main, [*arguments, "a"])
    assert (named.exit_code, "a is being written" in named.stderr) == (1, True)
    run.end()
    assert CliRunner().invoke(main, [*arguments, "a"]).exit_code == 0


def test_no_run_matches(tmp_path: Path) -> None:
    record(tmp_path / "here", "a")
    arguments = ["push", str(tmp_path / "archive"), "--journal", str(tmp_path / "here"), "--project", "nope"]
    result = CliRunner().invoke(main, arguments)
    assert "no runs match (1 in" in result.stderr
