"""Runs that MLflow's own client wrote, imported into a journal, and compared with what that client gives back."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from mlflow import MlflowClient
from mlflow_history import MANY, START, held, more, plain, write_history
from mlflow_server import mlflow_server

import multitrack
from multitrack.errors import QueryError, SourceError
from multitrack.hookspecs import Gap
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Metric
from segment_times import assert_times_rise


def do_import(address: str, journal: Path, tracker: str | None = None, **how: Any) -> dict[str, Imported]:
    source = open_source(address, tracker)
    try:
        found = list(import_runs(source, journal, **how))
    finally:
        source.close()
    assert found
    assert not any(isinstance(each, Gap) for each in found), found
    if not how.get("dry_run"):
        assert_times_rise(journal)
    return {each.name: each for each in found if isinstance(each, Imported)}


def points_of(run: RecordedRun) -> dict[str, list[tuple[int, int, Any]]]:
    found = defaultdict(list)
    for record in run.records():
        if isinstance(record, Metric):
            for name, value in record.numbers.items():
                found[name].append((record.time, record.step, plain(float(value))))
    return {name: sorted(points) for name, points in found.items()}


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # to write one; reading does not need it


@pytest.fixture(params=["sqlite", "files", pytest.param("server", marks=pytest.mark.slow)])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "store").mkdir()
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store/mlflow.db"
    elif request.param == "files":
        request.getfixturevalue("files")
        yield (tmp_path / "store" / "mlruns").as_uri()
    else:
        with mlflow_server(tmp_path / "store") as address:
            yield address


def test_everything_is_imported_once(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack_mlflow.source.POINTS_A_PAGE", 1000)
    monkeypatch.setattr("multitrack_mlflow.source.RUNS_A_PAGE", 1)
    ids = write_history(uri)
    journal = tmp_path / "journal"
    tracker = "mlflow" if uri.startswith("http") else None

    planned = do_import(uri, journal, tracker, dry_run=True)
    assert not journal.exists()
    first = do_import(uri, journal, tracker)
    assert {name: run.points for name, run in first.items()} == {"search": MANY + 5, "trial": 1, "open": 0, "gone": 0}
    assert {name: run.points for name, run in planned.items()} == {name: run.points for name, run in first.items()}
    assert {run.outcome for run in first.values()} == {run.outcome for run in planned.values()} == {"new"}
    said = "metric odd: ±1.798e+308, which MLflow's databases have for ±inf, kept as it is (1)"
    assert set(first["search"].gaps) == (set() if uri.startswith("file:") else {said})

    reader = multitrack.open_journal(journal)
    assert {run.id for run in reader.runs()} == set(ids.values())
    search = reader.run(ids["search"])
    assert points_of(search) == held(uri, ids["search"])
    summary = search.summary()
    assert summary.params == {
        "model/units": 64, "lr": 0.001, "lr text": "1e-3", "shuffle": True, "seed": None, "note": " ä\n ",
        "layers": [64, "x"], "odd": "[1,2", "big": 2**60, "nan": summary.params["nan"],
    }  # fmt: skip
    assert str(summary.params["nan"]) == "nan"
    assert summary.tags == {"team": "vision"}
    assert (summary.status, summary.ended) == ("finished", START + 300_000)
    manifest = search.manifest
    assert (manifest.project, manifest.name, manifest.created) == ("digits", "search", START)
    assert manifest.notes == "of units\nand rates"
    assert manifest.context is not None
    assert manifest.context.user == "ada"
    assert manifest.context.git is not None
    assert manifest.context.git.commit == "f" * 40
    assert manifest.imported is not None
    assert (manifest.imported.tracker, manifest.imported.id) == ("mlflow", ids["search"])
    references = {ref.name: ref for ref in search.summary().artifacts}
    assert {name: (ref.kind, ref.role) for name, ref in references.items()} == {
        "train": ("dataset", "input"), "old model": ("model", "output"), "notes": ("directory", "output"),
        "config.json": ("file", "output"),
        **({"classifier": ("model", "output")} if hasattr(MlflowClient, "create_logged_model") else {}),
    }  # fmt: skip
    assert (references["train"].uri, references["train"].version) == ("s3://bucket/train", "mlflow:abc123")
    assert (references["old model"].version, references["config.json"].size) == ("mlflow:1234", 2)
    if not uri.startswith("http"):
        (note,) = Path(unquote(urlsplit(references["notes"].uri).path)).iterdir()
        assert note.read_text() == "hey"
    if "classifier" in references:
        assert str(references["classifier"].version).startswith("mlflow:m-")
    trial = reader.run(ids["trial"])
    assert (trial.manifest.parent, trial.summary().status) == (ids["search"], "failed")
    assert reader.run(ids["open"]).summary().status in ("killed", "running")
    assert reader.run(ids["gone"]).summary().status == "killed"

    before = {path: path.read_bytes() for path in journal.rglob("*.json*")}
    assert {run.outcome for run in do_import(uri, journal, tracker).values()} == {"unchanged"}
    assert {path: path.read_bytes() for path in journal.rglob("*.json*")} == before

    more(uri, ids["open"])
    again = do_import(uri, journal, tracker)
    assert {name: run.outcome for name, run in again.items()} == {
        "search": "unchanged", "trial": "unchanged", "open": "more", "gone": "unchanged",
    }  # fmt: skip
    opened = reader.run(ids["open"])
    assert points_of(opened) == held(uri, ids["open"])
    assert (opened.summary().status, opened.summary().ended) == ("finished", START + 6000)
    assert (opened.summary().params, opened.summary().tags) == ({"late": 1}, {"stage": "done"})


def test_a_run_delivered_from_here_is_not_imported_here_and_comes_back_elsewhere(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    config = {"journal": str(tmp_path / "journal"), "mlflow": {"tracking_uri": uri}}
    with multitrack.start_run("p", "ours 🚀", backends=["mlflow"], config=config) as run:
        run.log_params({"lr": 0.1, "läss🚀": "x" * 7000})
        run.log_metric("loss", 2**60 + 1, step=0)
        run.log_metric("loss", float("inf"), step=1)
        run.log_lines("one")
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest="sha256:" + "0" * 64)
        run.set_tags({"team": "vision"})
    assert run.flush(60).complete
    assert {each.outcome for each in do_import(uri, tmp_path / "journal").values()} == {"recorded here"}

    do_import(uri, tmp_path / "other")
    here, there = (multitrack.open_journal(tmp_path / name).run(run.id) for name in ("journal", "other"))
    one, other = here.summary(), there.summary()
    assert (one.params, one.tags, one.status) == (other.params, other.tags, other.status)
    assert [point[:2] for point in here.get_metrics("loss")] == [point[:2] for point in there.get_metrics("loss")]
    assert [line.text for line in there.get_lines()] == ["one"]
    assert [(ref.uri, ref.kind, ref.digest) for ref in there.summary().artifacts] == [
        ("s3://bucket/w", "model", "sha256:" + "0" * 64)
    ]


@pytest.mark.usefixtures("files")
def test_damaged_files_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    store = tmp_path / "mlruns"
    ids = write_history(store.as_uri(), many=100)
    (trial,) = store.glob(f"*/{ids['trial']}")
    with (trial / "metrics" / "loss").open("a") as file:
        file.write("1700000003000 0.2")  # torn: no step
        file.write("\n17000\n\nx y z\n")
    (trial.parent / ids["open"]).mkdir()
    (opened,) = store.glob(f"*/{ids['open']}/meta.yaml")
    opened.write_text("artifact_uri: [")
    found = list(import_runs(open_source(str(tmp_path)), tmp_path / "journal"))
    (gap,) = [each for each in found if isinstance(each, Gap)]
    assert ids["open"] in gap.reason
    (damaged,) = [each for each in found if isinstance(each, Imported) and each.name == "trial"]
    assert dict(damaged.gaps) == {"metric loss: 2 damaged lines were left out": 1}
    assert damaged.points == 2
    shutil.rmtree(store)


def test_a_damaged_database_gives_what_is_whole(tmp_path: Path) -> None:
    """One page of points is lost, then the half of the file; or somebody else writes it."""
    store = tmp_path / "mlflow.db"
    ids = write_history(f"sqlite:///{store}", many=3000)
    with contextlib.closing(sqlite3.connect(store)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    whole = store.read_bytes()
    pages = [whole[start : start + size] for start in range(0, len(whole), size)]
    # A leaf of an index begins with 10 (sqlite.org/fileformat.html, 1.6). The one of metrics has all that is read.
    leaves = [number for number, page in enumerate(pages) if page[0] == 10 and page.count(b"loss") > 20]
    pages[leaves[len(leaves) // 2]] = b"\xff" * size
    (tmp_path / "damaged.db").write_bytes(b"".join(pages))
    found = list(import_runs(open_source(str(tmp_path / "damaged.db")), tmp_path / "journal"))
    assert [each.outcome for each in found if isinstance(each, Imported)] == ["new"] * 4
    lossy = {
        each.id: reason for each in found if isinstance(each, Imported)
        for reason in each.gaps if reason.startswith("metric loss: points were left out: ")
    }  # fmt: skip
    assert lossy
    assert all("database disk image is malformed" in reason for reason in lossy.values())
    search = multitrack.open_journal(tmp_path / "journal").run(ids["search"])
    assert search.summary().params["model/units"] == 64
    assert "odd" in search.get_metrics()
    assert {each.id for each in do_import(str(store), tmp_path / "journal").values() if each.points} == lossy.keys()
    for name in ("search", "trial"):
        run = multitrack.open_journal(tmp_path / "journal").run(ids[name])
        assert points_of(run)["loss"] == held(f"sqlite:///{store}", ids[name])["loss"]
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match=r"mlflow\.db cannot be read now: database is locked; import again when"):
            open_source(str(tmp_path))
    store.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"mlflow\.db is damaged, or copied in part: .*\.recover \| sqlite3 "):
        open_source(str(store))


def test_what_is_no_store_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.db").write_bytes(b"no database")
    (tmp_path / "mlruns").mkdir()
    for address in ("some.db", "mlruns"):
        with pytest.raises(SourceError, match="no plugin recognizes"):
            open_source(str(tmp_path / address))
        with pytest.raises(SourceError, match="is no store of MLflow"):
            open_source(str(tmp_path / address), "mlflow")
    with pytest.raises(SourceError, match="does not exist"):
        open_source(str(tmp_path / "nothing"))
    with pytest.raises(SourceError, match="does not exist"):
        open_source(f"sqlite:///{tmp_path}/nothing.db")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        open_source("sqlite:///nothing.db")
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(SourceError, match="cannot be read"):
        open_source("http://127.0.0.1:9/", "mlflow")
    with pytest.raises(QueryError, match=r"no plugin reads 'mlfow' \(did you mean 'mlflow'\?\); installed: "):
        open_source(str(tmp_path), "mlfow")


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from multitrack.cli.app import main

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ids = write_history(uri, many=10)
    journal = str(tmp_path / "journal")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["import", *words, "--journal", journal])
        out, err = capfd.readouterr()
        return int(left.value.code or 0), out, err

    status, out, err = call(str(tmp_path / "mlflow.db"), "--dry-run", "--project", "digits")
    assert status == 0
    assert ids["search"] in out
    assert "nothing was written" in err
    status, out, _ = call(uri, "--project", "digits", "--name", "tri*", "--json")
    (run,) = json.loads(out)["runs"]
    assert (status, run["id"], run["points"], run["outcome"]) == (0, ids["trial"], 1, "new")
    status, out, err = call(uri)
    assert "2 new, 1 unchanged" in err
    assert ids["gone"] not in out
    status, out, err = call(uri, "--deleted", "--since", "2023-11-14")
    assert ids["gone"] in out
    assert call(str(tmp_path / "nothing"))[0] == 1
