"""A comparison recorded in a run: metrics, references, tags, and what a run that it is added to keeps."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import multitrack
from multitrack.cli import main
from multitrack.drift import ColumnDrift, Drift, Source, record
from multitrack.inputs.references import digest_of

CONFIG = 'delivery = "off"\n'


def column(score: float, *, drifted: bool) -> ColumnDrift:
    return ColumnDrift(kind="numerical", method="K-S p_value", threshold=0.05, score=score, drifted=drifted)


def drift(tmp_path: Path, **more: Source) -> Drift:
    """A comparison as Evidently's would be."""
    path = tmp_path / "train.csv"
    path.write_text("age\n1\n")
    digest, size = digest_of(path)
    reference = Source(name="train.csv", rows=1, uri=path.as_uri(), digest=digest, version="delta:3", size=size)
    facts = {"reference": reference, "current": Source(name="a table in memory", rows=1), **more}
    columns = {"age": column(0.001, drifted=True), "share": column(0.5, drifted=False)}
    return Drift(columns=columns, skipped={}, limit=0.5, html="<html>é\udcff</html>", **facts)


@pytest.fixture(autouse=True)
def config(tmp_path: Path, isolated: None) -> None:
    (tmp_path / "multitrack.toml").write_text(CONFIG)


def test_a_new_run(tmp_path: Path) -> None:
    done = record(drift(tmp_path))
    assert done is not None
    run = multitrack.open_journal().run(done.run)
    told = run.summary()
    assert told.metrics == {"drift/share": 0.5, "drift/age": 0.001, "drift/columns/share": 0.5}
    assert told.tags == {"reference": "train.csv", "current": "a table in memory"}
    assert told.status == "finished"
    refs = {ref.name: ref for ref in told.artifacts}
    assert set(refs) == {"drift/reference", "drift/report"}
    source = drift(tmp_path).reference
    first = refs["drift/reference"]
    assert (first.role, first.kind, first.uri, first.digest, first.version, first.size) == (
        "input", "dataset", source.uri, source.digest, "delta:3", source.size,
    )  # fmt: skip
    report = refs["drift/report"]
    assert (report.role, report.kind, report.uri) == ("output", "report", done.html.as_uri())
    assert report.digest == digest_of(done.html)[0]
    assert done.html == run.directory / "drift.html"
    assert [line.text for line in run.get_lines()] == [
        "drift from train.csv to a table in memory: 1 of 2 columns drifted (50%), limit 50%",
        "age: drifted, K-S p_value 0.001, threshold 0.05",
        "share: as before, K-S p_value 0.5, threshold 0.05",
    ]


def test_a_given_file_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.write_text("old")
    for _ in range(2):
        done = record(drift(tmp_path), html=place)
        assert done is not None
        assert done.html == place
    assert place.read_bytes().startswith("<html>é".encode())


@pytest.mark.parametrize("status", ["finished", "failed", "killed"])
def test_into_a_run_that_has_ended(tmp_path: Path, status: multitrack.records.Status) -> None:
    run = multitrack.start_run("shop", "prod")
    run.log_metric("accuracy", 0.9)
    model = tmp_path / "m.bin"
    model.write_bytes(b"m")
    run.log_artifact_ref("m", model, kind="model")
    run.end(status)
    lists = Source(name=run.id, rows=3, run=run.id, project="shop", uri=model.as_uri(), version=f"run:{run.id}:3")
    places = [done.html.name for _ in range(2) if (done := record(drift(tmp_path, current=lists), into="prod"))]
    assert places == ["drift.html", "drift-2.html"]
    (found,) = multitrack.open_journal().runs()
    told = found.summary()
    assert (told.status, told.metrics["accuracy"], told.metrics["drift/share"]) == (status, 0.9, 0.5)
    refs = {ref.name: ref for ref in told.artifacts}
    assert "drift/current" not in refs  # the run itself
    assert refs["drift/report"].uri.endswith("/drift-2.html")
    assert [version.version for version in multitrack.open_models().named("m").versions] == ["1.0.0"]
    assert told.tags == {}


def test_into_a_run_that_is_recording(tmp_path: Path) -> None:
    with multitrack.start_run("shop", "prod"), pytest.raises(multitrack.RunInUseError):
        record(drift(tmp_path), into="prod")


def test_the_project_of_the_compared_run_and_another_journal(tmp_path: Path) -> None:
    lists = Source(name="r", rows=3, run="r", project="shop", uri="file:///r", version="run:r:3")
    done = record(drift(tmp_path, current=lists), journal=tmp_path / "elsewhere")
    assert done is not None
    run = multitrack.open_journal(tmp_path / "elsewhere").run(done.run)
    assert run.facts.project == "shop"
    refs = {ref.name: (ref.uri, ref.version) for ref in run.summary().artifacts}
    assert refs["drift/current"] == ("file:///r", "run:r:3")


def test_a_report_that_cannot_be_written_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        record(drift(tmp_path), html=tmp_path / "absent" / "report.html")
    (run,) = multitrack.open_journal().runs()
    assert run.summary().status == "failed"


def test_a_process_that_records_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTITRACK_DISABLED", "1")
    assert record(drift(tmp_path)) is None
    assert not (tmp_path / ".multitrack").exists()


def test_lineage_shows_the_inputs_under_their_own_names(tmp_path: Path) -> None:
    result = drift(tmp_path)
    with multitrack.start_run("shop", "training") as run:
        run.log_artifact_ref("train", tmp_path / "train.csv", kind="dataset", role="input", version="delta:3")
    done = record(result)
    assert done is not None
    tree = CliRunner().invoke(main, ["lineage", "train"]).stdout
    assert tree.startswith("train")
    assert done.run in tree
    nodes = json.loads(CliRunner().invoke(main, ["lineage", "--json"]).stdout)["nodes"]
    assert {node["name"] for node in nodes if "names" in node} == {"train", "drift/report"}
