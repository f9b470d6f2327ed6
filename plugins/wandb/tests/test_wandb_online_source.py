"""Projects at a server, written and read back by W&B's own SDK, imported into a journal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from stand_in_server import KEY, ServedRun, StandInServer
from wandb_history import MANY, write_history

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.migration.verifying import verify_run
from multitrack.records import Metric
from multitrack_wandb import online, online_run, public_api, sdk
from segment_times import assert_times_rise

#: These releases give no row of a run that W&B has not exported, and the stand-in exports none.
pytestmark = pytest.mark.skipif(wandb.__version__ in ("0.27.1", "0.27.2"), reason="scan_history gives nothing")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInServer]:
    """A server with two runs of one project."""
    with StandInServer() as server:
        write_history(tmp_path_factory.mktemp("project"), server.url, KEY)
        yield server


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, written: StandInServer) -> StandInServer:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", written.url)
    return written


FEW = {
    f"x_graphql_retry_{name}": value
    for name, value in (("max", 1), ("wait_min_seconds", 0.1), ("wait_max_seconds", 0.1))
}


def do_import(address: str, journal: Path, tracker: str | None = None) -> dict[str, Imported]:
    found = list(import_runs(open_source(address, tracker), journal))
    assert not any(isinstance(each, Gap) for each in found), found
    assert_times_rise(journal)
    return {each.source_id: each for each in found if isinstance(each, Imported)}


def numbers(row: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{above}{key}.")
        elif not key.startswith("_") and not isinstance(value, str):
            yield above + key, int(value) if isinstance(value, bool) else value


def points(run: ServedRun) -> list[tuple[int, int, str, str]]:
    return [
        (round(row["_timestamp"] * 1000), row["_step"], name, repr(value))
        for row in run.rows
        for name, value in numbers(row)
    ]


def imported_points(journal: Path, run_id: str) -> list[tuple[int | None, int | None, str, str]]:
    return [
        (record.time, record.step, name, repr(value))
        for record in multitrack.open_journal(journal).run(run_id).records()
        if isinstance(record, Metric) and record.step is not None
        for name, value in record.numbers.items()
    ]


def test_everything_is_imported_once(
    configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "RUNS_A_PAGE", 1)
    monkeypatch.setattr(online_run, "STEPS_A_PAGE", 700)
    monkeypatch.setattr(online_run, "LINES_A_PAGE", 2)
    configured.runs["failed1"].used = [0]
    journal = tmp_path / "journal"
    runs = do_import("wandb://team/digits", journal)
    assert {name: run.outcome for name, run in runs.items()} == {"search1": "new", "failed1": "new"}
    assert set(runs["search1"].gaps) == {
        "history text: texts left out, which a series cannot hold (1)",
        "summary note: a text, kept as tag summary/note",
        "summary text: a text, kept as tag summary/text",
    }
    found = imported_points(journal, "search1")
    assert len(found) == MANY + MANY // 2 + 6
    assert sorted(found) == sorted(points(configured.runs["search1"]))  # type: ignore[type-var]
    search, failed = (multitrack.open_journal(journal).run(name) for name in ("search1", "failed1"))
    summary = search.summary()
    assert summary.params == {
        "lr": 0.001, "model/units": 64, "model/name": "mlp", "layers": [1, 2], "late": None,
    }  # fmt: skip
    tags = {"baseline": "true", "job_type": "train", "summary/note": "good", "summary/text": "some"}
    axis = {name: value for name, value in summary.tags.items() if name not in tags}
    assert axis in ({"step_metric/val/*": "acc"}, {"step_metric/val/loss": "acc"})  # early releases expand the pattern
    assert summary.tags == tags | axis
    assert summary.simple == {"best": 0.5, "loss": 0.25}
    has_logs = hasattr(sdk.imported().Run, "write_logs")
    assert [line.text for line in search.get_lines()] == (["one", "two", "three", "rest"] if has_logs else [])
    manifest = search.manifest
    assert (manifest.project, manifest.name, manifest.group, manifest.notes) == (
        "digits", "Suche ä/ö", "g", "of\nunits",
    )  # fmt: skip
    assert manifest.created <= imported_start(search)
    assert manifest.imported is not None
    assert (manifest.imported.tracker, manifest.imported.scope) == ("wandb", "team/digits")
    assert manifest.imported.url == f"{configured.url}/team/digits/runs/search1"
    references = [
        (ref.name, ref.uri, ref.kind, ref.role) for run in (search, failed) for ref in run.summary().artifacts
    ]
    train = "train", "https://bucket.example/train", "dataset"
    assert references == [(*train, "output"), (*train, "input")]
    assert (summary.status, failed.summary().status) == ("finished", "failed")
    assert {run.outcome for run in do_import("wandb://team/digits", journal).values()} == {"unchanged"}


def imported_start(run: Any) -> int:
    return min(record.time for record in run.records() if isinstance(record, Metric))


def test_a_page_is_an_address_too(configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = do_import(f"{configured.url}/team/digits/runs/failed1?nw=x", tmp_path / "one")
    assert list(runs) == ["failed1"]
    monkeypatch.delenv("WANDB_BASE_URL")
    with pytest.raises(SourceError, match="no plugin recognizes"):
        open_source(f"{configured.url}/team/digits")
    assert len(do_import(f"{configured.url}/team/digits/workspace", tmp_path / "all", "wandb")) == 2


def test_a_server_that_stops_in_a_history_costs_that_run_alone_until_the_next_import(
    configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_run, "STEPS_A_PAGE", 1500)
    journal = tmp_path / "journal"
    monkeypatch.setattr(configured, "stops_at", 2000)
    runs = do_import("wandb://team/digits", journal)
    monkeypatch.setattr(configured, "stops_at", None)
    assert (runs["search1"].outcome, runs["failed1"].outcome) == ("failed", "new")
    assert str(runs["search1"].error).startswith("run search1: its history cannot be read: ")
    assert "not available" in str(runs["search1"].error)
    again = do_import("wandb://team/digits", journal)
    assert (again["search1"].outcome, again["failed1"].outcome) == ("more", "unchanged")
    found, wanted = imported_points(journal, "search1"), points(configured.runs["search1"])
    assert sorted(found) == sorted(wanted)  # type: ignore[type-var]
    assert multitrack.open_journal(journal).run("search1").summary().status == "finished"


@pytest.mark.wandb_from(0, 31)  # earlier releases try for 20 s
def test_a_server_that_dies_in_a_history_is_not_tried_for_ever(
    configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_api, "RETRIES", FEW)
    monkeypatch.setattr(online_run, "STEPS_A_PAGE", 1500)
    monkeypatch.setattr(configured, "stops_at", 2000)
    monkeypatch.setattr(configured, "stops_with", 0)
    (run,) = import_runs(open_source("wandb://team/digits/runs/search1"), tmp_path / "journal")
    assert isinstance(run, Imported)
    assert run.outcome == "failed"
    assert str(run.error).startswith("run search1: its history cannot be read: ")


def test_what_a_server_does_not_hand_out_is_said(
    configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configured.runs["failed1"], "counted", 3)
    monkeypatch.setattr(configured, "lists_artifacts", False)
    (run,) = do_import("wandb://team/digits/runs/failed1", tmp_path / "journal").values()
    rows, outputs, inputs = sorted(
        run.gaps, key=lambda gap: ("history", "output", "input").index(gap.split(" ")[0].rstrip(":"))
    )
    assert rows == "history: W&B counts 3 rows, and its public API gave 1"
    assert outputs.startswith("output artifacts left out: ")
    assert inputs.startswith("input artifacts left out: ")


def test_lines_of_a_server_that_has_them_as_a_file(
    configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configured, "pages_logs", False)
    sent = [
        f"{level}2026-01-01T00:00:00.000001 {text}" for level, text in (("", "a b"), ("ERROR ", ""), ("", "1%\r2%"))
    ]
    for name, texts, wanted in (
        ("sent", sent, [("a b", "stdout"), ("", "stderr"), ("2%", "stdout")]),
        ("uploaded", ["one", *sent[:1]], [("one", "stdout"), (sent[0], "stdout")]),
    ):
        monkeypatch.setitem(configured.runs["failed1"].files, "output.log", texts)
        do_import("wandb://team/digits/runs/failed1", tmp_path / name)
        lines = multitrack.open_journal(tmp_path / name).run("failed1").get_lines()
        assert [(line.text, line.stream) for line in lines] == wanted


def test_a_large_artifact_is_one_reference(
    configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_run, "MOST_ENTRIES", 0)
    (run,) = do_import("wandb://team/digits/runs/search1", tmp_path / "journal").values()
    assert "artifact train:v0: 1 files, kept as one reference" in run.gaps
    (reference,) = multitrack.open_journal(tmp_path / "journal").run("search1").summary().artifacts
    assert (reference.name, reference.uri) == ("train", "wandb://team/digits/train:v0")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("wandb://team/none", "/team/none cannot be read"),
        ("wandb://team/digits/runs/none", "none cannot be read"),
        ("wandb://team", "names no project of W&B"),
    ],
)
def test_what_is_not_there_is_said(configured: StandInServer, address: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(open_source(address).runs())


def test_credentials_that_are_missing_or_refused(
    configured: StandInServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.denied = True
    try:
        with pytest.raises(SourceError, match="WANDB_API_KEY, or run `wandb login`") as refused:
            open_source("wandb://team/digits")
    finally:
        configured.denied = False
    assert KEY not in str(refused.value)
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(SourceError, match=f"no W&B credentials for {configured.url}: run `wandb login --host"):
        open_source("wandb://team/digits")
    (tmp_path / "home" / ".netrc").write_text(
        f"machine {configured.url.removeprefix('http://')} login user password {KEY}\n"
    )
    assert len(list(open_source("wandb://team/digits").runs())) == 2


def test_a_server_that_is_away(configured: StandInServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_api, "RETRIES", FEW)
    monkeypatch.setattr(public_api, "TIMEOUT", 2)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:9 cannot be read"):
        list(open_source("wandb://team/digits").runs())


def test_a_delivered_run_is_verified_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with StandInServer() as server:
        options = {"mode": "online", "base_url": server.url, "dir": str(tmp_path)}
        config = {"journal": str(tmp_path / "journal"), "delivery": "off", "wandb": options}
        run = multitrack.start_run("p/ä", "ours 🚀", backends=["wandb"], config=config, params={"lr": 0.1, "_wandb": 3})
        for step, value in enumerate((0.5, math.nan, -math.inf, 2**60 + 1)):
            run.log_metric("loss", value, step=10 * step)
        run.log_metric("_step", 2.5, step=7)
        run.log_metric("best", 2**61 + 1)
        run.log_lines(["one", "", "two"])
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest="sha256:" + "0" * 64)
        run.set_tags({"team": "vision"})
        run.end("failed")
        multitrack.sync(tmp_path / "journal")
        assert run.flush().complete
        here = multitrack.open_journal(tmp_path / "journal").run(run.id)
        found = verify_run(here, "wandb")
        assert (found.error, found.findings) == (None, [])
        assert found.equal > 15
        server.runs[run.id].config["lr"] = 0.2
        (finding,) = verify_run(here, "wandb").findings
        assert (finding.outcome, finding.thing) == ("different", "param lr")
        server.runs[run.id].config["lr"] = 0.1
        do_import(f"{server.url}/team/p-ä", tmp_path / "other", "wandb")
    there = multitrack.open_journal(tmp_path / "other").run(run.id)
    one, other = here.summary(), there.summary()
    assert (one.params, one.tags, one.status, one.simple) == (other.params, other.tags, other.status, other.simple)
    assert repr(here.get_metrics()) == repr(there.get_metrics())
    assert there.manifest.project == "p/ä"
