"""The import of a source of this test's own: odd names, no times, secrets, ids that others have."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import multitrack
from multitrack import plugins
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, Source, SourceRecord, SourceRun
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags
from segment_times import assert_times_rise

NOBODY = SourceRun(id="", project="", name="", created=0)


@dataclasses.dataclass
class OwnSource:
    """Runs with their records."""

    given: list[tuple[SourceRun | Gap, list[SourceRecord]]]
    tracker: str = "own"
    address: str = "own://x"
    notes: tuple[str, ...] = ()

    def runs(self) -> Iterator[SourceRun | Gap]:
        for run, _ in self.given:
            yield run

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        (records,) = [records for other, records in self.given if other == run]
        yield from records

    def close(self) -> None: ...


def do_import(source: Source, journal: Path, **how: Any) -> list[Imported]:
    found = list(import_runs(source, journal, **how))
    if not how.get("dry_run"):
        assert_times_rise(journal)
    return [each for each in found if isinstance(each, Imported)]


def test_odd_names_and_no_times(tmp_path: Path) -> None:
    run = SourceRun(id="a/b: ü", project=" ", name="x\0y\udc80", created=0, status="finished")
    source = OwnSource([(run, [Metric(time=5, values={"m": 1}, step=0), Metric(time=3, values={"m": 2.5}, step=1)])])
    (done,) = do_import(source, tmp_path)
    found = multitrack.open_journal(tmp_path).run(done.id)
    assert (found.manifest.project, found.manifest.name) == ("own", "xy\\x80")
    assert done.id.startswith("a-b-")
    assert [(point.time, point.value) for point in found.get_metrics()["m"]] == [(5, 1), (3, 2.5)]
    assert found.summary().ended == 5
    assert [each.outcome for each in do_import(source, tmp_path)] == ["unchanged"]
    assert len(list(found.directory.glob("*.jsonl"))) == 2  # the second time is earlier than the first


@pytest.mark.parametrize("records", [[], [Lines(time=0, lines=["one"])]])
def test_a_run_without_times_is_not_written_again(tmp_path: Path, records: list[SourceRecord]) -> None:
    source = OwnSource([(SourceRun(id="a", project="p", name="n", created=0), records)])
    for outcome in ("new", "unchanged", "unchanged"):
        assert [run.outcome for run in do_import(source, tmp_path)] == [outcome]
    run = multitrack.open_journal(tmp_path).run("a")
    assert len(list(run.directory.glob("*.jsonl"))) == 1
    assert [line.text for line in run.get_lines()] == [line for record in records for line in record.lines]  # type: ignore[union-attr]


def test_every_kind_of_record_goes_on_where_it_ended(tmp_path: Path) -> None:
    run = SourceRun(id="a", project="p", name="n", created=1)
    first: list[SourceRecord] = [
        Params(time=1, values={"lr": 0.1}, types={"lr": "float"}), Tags(time=1, values={"stage": "dev"}),
        ListMetric(time=2, name="l", values=[1, 2]), Lines(time=2, lines=["one"]), Metric(time=3, values={"best": 1}),
        ArtifactRef(time=3, name="w", uri="s3://b/w"), Gap("text x: left out"),
    ]  # fmt: skip
    assert [each.outcome for each in do_import(OwnSource([(run, first)]), tmp_path)] == ["new"]
    ended = SourceRun(id="a", project="p", name="n", created=1, ended=9, status="failed")
    rest: list[SourceRecord] = [
        Params(time=1, values={"lr": 0.2, "late": "x"}, types={"lr": "float", "late": "str"}),
        Tags(time=1, values={"stage": "prod"}), ListMetric(time=2, name="l", values=[1, 2, 3]),
        Lines(time=2, lines=["one", "two"]), Metric(time=3, values={"best": 1}), Metric(time=4, values={"best": 2}),
        ArtifactRef(time=3, name="w", uri="s3://b/w"), ArtifactRef(time=3, name="w", uri="s3://b/w2"),
        Gap("text x: left out"), Gap("text y: left out"),
    ]  # fmt: skip
    (more,) = do_import(OwnSource([(ended, rest)]), tmp_path)
    assert (more.outcome, more.points, more.lines) == ("more", 2, 1)
    assert set(more.gaps) == {"text y: left out", "param lr: changed in the source to 0.2, the imported value stays"}
    found = multitrack.open_journal(tmp_path).run("a")
    summary = found.summary()
    assert (summary.params, summary.tags, summary.simple) == ({"lr": 0.1, "late": "x"}, {"stage": "prod"}, {"best": 2})
    assert found.get_list_metrics() == {"l": [1, 2, 3]}
    assert [line.text for line in found.get_lines()] == ["one", "two"]
    assert [ref.uri for ref in summary.artifacts] == ["s3://b/w2"]
    assert (summary.status, summary.ended, summary.gaps) == ("failed", 9, 3)
    (last,) = do_import(OwnSource([(ended, rest)]), tmp_path)
    assert last.outcome == "unchanged"


def test_a_run_that_breaks_off_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Its second segment, where times go back, must not be left without the first."""
    run = SourceRun(id="a", project="p", name="n", created=1000, ended=9000, status="finished")
    records = [Metric(time=time, values={"m": time}, step=step) for step, time in enumerate((2000, 3000, 1500, 1600))]

    class Breaking(OwnSource):
        def records(self, run: SourceRun) -> Iterator[SourceRecord]:
            yield from records[:3]
            raise SourceError("the server is gone")

    (failed,) = do_import(Breaking([(run, [])]), tmp_path)
    assert (failed.outcome, failed.error) == ("failed", "the server is gone")
    (done,) = do_import(OwnSource([(run, [*records])]), tmp_path)
    assert (done.outcome, done.points) == ("more", 1)
    found = multitrack.open_journal(tmp_path).run("a")
    assert [point.value for point in found.get_metrics()["m"]] == [2000, 3000, 1500, 1600]
    assert found.summary().status == "finished"


def test_a_renamed_run_has_its_new_name(tmp_path: Path) -> None:
    for name, outcome in (("old", "new"), ("new", "more"), ("new", "unchanged")):
        run = SourceRun(id="a", project="p", name=name, created=1, notes=f"of {name}")
        assert [each.outcome for each in do_import(OwnSource([(run, [])]), tmp_path)] == [outcome]
        manifest = multitrack.open_journal(tmp_path).run("a").manifest
        assert (manifest.name, manifest.notes) == (name, f"of {name}")


def test_a_run_that_was_sent_from_here_is_recorded_here(tmp_path: Path) -> None:
    """An imported run too, once it was replayed; a run of this id from another journal is not it."""
    first = SourceRun(id="a", project="p", name="n", created=1)
    assert [each.outcome for each in do_import(OwnSource([(first, [])]), tmp_path)] == ["new"]
    sent = SourceRun(id="native", project="p", name="n", created=1, run_id="a")
    other = SourceRun(id="other", project="p", name="n", created=2, run_id="a")
    there = OwnSource([(sent, []), (other, [])], tracker="there")
    found = do_import(there, tmp_path)
    assert [(each.id, each.outcome) for each in found] == [("a", "recorded here"), ("other", "new")]
    assert [each.outcome for each in do_import(there, tmp_path)] == ["recorded here", "unchanged"]
    assert [each.outcome for each in do_import(OwnSource([(first, [])]), tmp_path)] == ["unchanged"]


def test_a_summary_that_changed_is_replaced(tmp_path: Path) -> None:
    run = SourceRun(id="a", project="p", name="n", created=1)
    for time, value, outcome in ((5, 0.5, "new"), (9, 0.7, "more"), (9, 0.7, "unchanged")):
        source = OwnSource([(run, [Metric(time=time, values={"best": value})])])
        assert [each.outcome for each in do_import(source, tmp_path)] == [outcome]
    assert multitrack.open_journal(tmp_path).run("a").summary().simple == {"best": 0.7}


def test_secrets_are_redacted(tmp_path: Path) -> None:
    run = SourceRun(id="a", project="p", name="n", created=1, remote="https://me:pass@host/x", commit="c")
    records: list[SourceRecord] = [
        Params(time=1, values={"api_key": "hunter2"}, types={"api_key": "str"}),
        ArtifactRef(time=1, name="w", uri="https://me:pass@host/w"), Lines(time=1, lines=["GET https://me:pass@host/"]),
    ]  # fmt: skip
    source = OwnSource([(run, records)])
    do_import(source, tmp_path)
    assert [each.outcome for each in do_import(source, tmp_path)] == ["unchanged"]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*.json*"))
    assert b"host/w" in written
    assert b"hunter2" not in written
    assert b"pass" not in written


def test_files_are_copied_on_request(tmp_path: Path) -> None:
    made = tmp_path / "made"
    (made / "model" / "deep").mkdir(parents=True)
    (made / "model" / "deep" / "weights").write_text("w")
    (made / "model" / "link").symlink_to("deep")
    (made / "note ä").write_text("n")
    os.mkfifo(made / "pipe")
    refs: list[SourceRecord] = [
        ArtifactRef(time=1, name=name, uri=uri)
        for name, uri in (
            ("../../model", (made / "model").as_uri()), ("notes/ä", (made / "note ä").as_uri()),
            ("gone", (made / "gone").as_uri()), ("pipe", (made / "pipe").as_uri()), ("far", "s3://bucket/x"),
        )
    ]  # fmt: skip
    run = SourceRun(id="a", project="p", name="n", created=1, ended=2, status="finished")
    source, files = OwnSource([(run, refs)]), tmp_path / "copies"

    def uris() -> dict[str, str]:
        return {ref.name: ref.uri for ref in multitrack.open_journal(tmp_path / "j").run("a").summary().artifacts}

    do_import(source, tmp_path / "j")
    assert uris()["notes/ä"] == (made / "note ä").as_uri()
    (planned,) = do_import(source, tmp_path / "j", files=files, dry_run=True)
    assert (planned.outcome, files.exists()) == ("more", False)
    (done,) = do_import(source, tmp_path / "j", files=files)
    assert sorted(done.gaps) == [
        f"reference gone: {made}/gone was not copied: No such file or directory",
        f"reference pipe: {made}/pipe was not copied: {made}/pipe is neither a file nor a directory",
    ]
    copied = {str(path.relative_to(files)): path.read_text() for path in files.rglob("*") if path.is_file()}
    assert copied == {"a/%2E%2E/%2E%2E/model/deep/weights": "w", "a/notes/%C3%A4": "n"}
    assert (files / "a/%2E%2E/%2E%2E/model/link").readlink() == Path("deep")
    assert {name: Path(unquote(urlsplit(uri).path)).exists() for name, uri in uris().items() if name != "far"} == {
        "../../model": True, "notes/ä": True, "gone": False, "pipe": True,
    }  # fmt: skip
    assert uris()["far"] == "s3://bucket/x"

    before = uris()
    (done,) = do_import(source, tmp_path / "j")  # copies are kept up to date from now on
    assert (done.outcome, uris()) == ("unchanged", before)
    (made / "model" / "deep" / "weights").write_text("more")
    do_import(source, tmp_path / "j")
    assert (files / "a/%2E%2E/%2E%2E/model/deep/weights").read_text() == "more"


def test_ids_that_others_have(tmp_path: Path) -> None:
    config = {"journal": str(tmp_path), "delivery": "off"}
    multitrack.start_run("p", "mine", run_id="a", config=config).end()
    first = SourceRun(id="a", scope="one", project="p", name="n", created=1)
    second = SourceRun(id="a", scope="two", project="p", name="n", created=1)
    child = SourceRun(id="b", scope="two", project="p", name="child", created=2, parent="a")
    source = OwnSource([(first, []), (second, []), (child, [])])
    ids = [run.id for run in do_import(source, tmp_path)]
    assert len({"a", *ids}) == 4
    assert all(one.startswith("a-") for one in ids[:2])
    reader = multitrack.open_journal(tmp_path)
    assert reader.run(ids[2]).manifest.parent == ids[1]
    assert reader.run("a").manifest.imported is None
    assert [run.id for run in do_import(source, tmp_path)] == ids
    assert [run.id for run in reader.runs(where='tracker = "own" and tracker_id = "b"')] == [ids[2]]
    assert {run.id for run in reader.runs(where="tracker_id = a")} == {*ids[:2]}
    other = OwnSource([(first, [])], tracker="other")
    assert do_import(other, tmp_path)[0].id not in ids


def test_plugins_that_are_broken_or_agree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Both:
        name = "both"

        @multitrack.hookimpl
        def open_source(self, address: str, tracker: str | None) -> Source | None:
            return OwnSource([(NOBODY, [])]) if address == "own://x" and tracker in (None, "both", "two") else None

    plugins.register(Both())
    plugins.register(Both(), "two")
    try:
        with pytest.raises(SourceError, match="can be read as both or two: choose one of them with --from"):
            open_source("own://x")
        with pytest.raises(SourceError, match="no plugin recognizes own://y"):
            open_source("own://y")
    finally:
        plugins.unregister("two")
        plugins.unregister("both")
    assert not caplog.records
