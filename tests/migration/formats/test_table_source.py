"""Runs in CSV and Parquet files: those that Keras, Lightning, W&B and pandas write, and what people make of them."""

from __future__ import annotations

import csv
import datetime
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import multitrack
from multitrack.cli import main
from multitrack.errors import QueryError, SourceError
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from multitrack.reading.recorded_run import RecordedRun
from multitrack.sources.source import Gap
from segment_times import assert_times_rise

START = 1_700_000_000_000


def imported(place: Path, tracker: str | None = None, **columns: str) -> tuple[list[RecordedRun], list[str]]:
    """The runs after an import, and all gaps."""
    source = open_source(str(place), tracker, columns)
    found = list(import_runs(source, place.parent / "journal"))
    runs = [each for each in found if isinstance(each, Imported)]
    assert not [each.error for each in runs if each.error]
    reader = multitrack.open_journal(place.parent / "journal")
    assert_times_rise(place.parent / "journal")
    gaps = [each.reason for each in found if isinstance(each, Gap)]
    return [reader.run(each.id) for each in runs], gaps + [reason for each in runs for reason in each.gaps]


def write(place: Path, text: str) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    os.utime(place, ns=(START * 1_000_000, START * 1_000_000))
    return place


def points(run: RecordedRun, name: str) -> list[tuple[int | None, float]]:
    return [(point.step, point.value) for point in run.get_metrics(name)[name]]


def test_the_file_of_a_keras_csv_logger_is_a_run(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    import numpy as np

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    logger = keras.callbacks.CSVLogger(str(tmp_path / "training.csv"))
    history = model.fit(np.ones((8, 2)), np.ones(8), epochs=3, verbose=0, validation_split=0.5, callbacks=[logger])
    (run,), gaps = imported(tmp_path / "training.csv")
    assert gaps == []
    assert run.id == "training"
    assert run.facts.project == tmp_path.name
    for name in ("loss", "val_loss"):
        assert points(run, name) == [(step, pytest.approx(value)) for step, value in enumerate(history.history[name])]


def test_rows_with_holes_and_other_steps(tmp_path: Path) -> None:
    """The form of Lightning's logger: one file a version, a cell for each metric that the row has."""
    for version, loss in (("version_0", 0.5), ("version_1", 0.25)):
        write(
            tmp_path / "logs" / version / "metrics.csv", f"epoch,step,train_loss,val_loss\n0,49,{loss},\n0,99,,0.75\n"
        )
    write(tmp_path / "logs" / "notes.txt", "no table")
    runs, gaps = imported(tmp_path / "logs", "csv")
    assert gaps == []
    assert [run.facts.name for run in runs] == ["version_0/metrics", "version_1/metrics"]
    assert [points(run, "train_loss") for run in runs] == [[(49, 0.5)], [(49, 0.25)]]
    assert points(runs[0], "val_loss") == [(99, 0.75)]
    assert points(runs[0], "epoch") == [(49, 0.0), (99, 0.0)]
    assert [run.facts.project for run in runs] == ["version_0", "version_1"]


def test_a_table_of_runs(tmp_path: Path) -> None:
    table = write(
        tmp_path / "export.csv",
        '"ID","Name","State","Created","lr","units","opt","val_loss","odd"\n'
        'a1,first,finished,2024-03-01T10:00:00.000Z,0.001,64,adam,0.25,nan\n'
        'b2,"second, ""best""",crashed,2024-03-01T11:00:00.000Z,1e-2,007,,0.5,-Infinity\n',
    )  # fmt: skip
    (first, second), gaps = imported(table, **{"val_*": "metric", "odd": "metric"})
    assert gaps == []
    assert first.summary().params == {"lr": 0.001, "units": 64, "opt": "adam"}
    assert second.summary().params == {"lr": 0.01, "units": "007"}
    assert (first.facts.name, second.facts.name) == ("first", 'second, "best"')
    assert (first.summary().status, second.summary().status) == ("finished", "failed")
    assert first.manifest.created == round(datetime.datetime(2024, 3, 1, 10, tzinfo=datetime.UTC).timestamp() * 1000)
    assert first.summary().metrics["val_loss"] == 0.25
    assert second.summary().metrics["odd"] == float("-inf")
    reader = multitrack.open_journal(tmp_path / "journal")
    assert [run.id for run in reader.runs(where="metrics.val_loss < 0.3")] == ["a1"]


def test_runs_that_alternate_and_times_of_three_kinds(tmp_path: Path) -> None:
    rows = [(run, step, START + 1000 * step, step / 4) for step in range(3) for run in ("a", "b")]
    for name, unit in (("s", 1000), ("ms", 1), ("us", 1 / 1000)):
        text = "".join(f"{run},{step},{time / unit:.6f},{value}\n" for run, step, time, value in rows)
        (a, b), gaps = imported(write(tmp_path / name / "runs.csv", f"run,step,time,loss\n{text}"))
        assert gaps == []
        for run in (a, b):
            history = run.get_metrics("loss")["loss"]
            assert [(point.step, point.time, point.value) for point in history] == [
                (step, START + 1000 * step, step / 4) for step in range(3)
            ]
        assert (a.manifest.created, a.summary().ended) == (START, START + 2000)


def test_one_metric_a_row(tmp_path: Path) -> None:
    table = write(
        tmp_path / "long.tsv", "run\tmetric\tstep\tvalue\na\tloss\t0\t0.5\na\tacc\t0\t0.25\nb\tloss\t1.5\t2\n"
    )
    (a, b), gaps = imported(table)
    assert (points(a, "loss"), points(a, "acc")) == ([(0, 0.5)], [(0, 0.25)])
    assert points(b, "loss") == [(1, 2.0)]
    assert gaps == ["step 1.5 is no whole number: such steps were rounded down"]


def test_rows_that_are_not_whole_are_named(tmp_path: Path) -> None:
    table = write(tmp_path / "torn.csv", "step;loss;note\n0;0.5;good\n1;0.25\n2;0.125;bad\nx;1;\n3;0.0")
    (run,), gaps = imported(table)
    assert points(run, "loss") == [(0, 0.5), (2, 0.125)]
    assert gaps == [
        f"{table}: 2 rows are not whole and were left out, the first of them: row 2 has 2 cells instead of 3",
        "column note: 'good' is no number, and such cells were left out; --column 'note=tag' or 'note=param' keeps them",
        "step 'x' is no number: such rows were left out",
    ]


def test_a_table_that_grows_is_continued(tmp_path: Path) -> None:
    """Its modification time, all that it has for times, is another one then."""
    table = write(tmp_path / "training.csv", "epoch,loss\n0,0.5\n")
    ((run,), _) = imported(table)
    assert run.manifest.created == START
    table.write_text("epoch,loss\n0,0.5\n1,0.25\n")
    ((run,), _) = imported(table)
    assert points(run, "loss") == [(0, 0.5), (1, 0.25)]
    assert run.manifest.created == START
    before = sorted((path, path.stat().st_size) for path in run.directory.iterdir())
    imported(table)
    assert before == sorted((path, path.stat().st_size) for path in run.directory.iterdir())


def test_typed_values_of_parquet(tmp_path: Path) -> None:
    moments = [datetime.datetime(2024, 3, 1, 10, minute, tzinfo=datetime.UTC) for minute in range(4)]
    table = pa.table({
        "run": pa.array(["a", "b", "a", "b"]).dictionary_encode(),
        "step": [0, 0, 1, 1],
        "time": pa.array(moments, pa.timestamp("ns", "UTC")),
        "loss": [0.5, float("nan"), None, 2.0**60],
        "losses": [[1.0, 2.0], None, [3.0], None],
        "lr": pa.array([0.1, 0.2, 0.1, 0.3]),
        "team": ["x", "y", "x", "z"],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "runs.parquet", row_group_size=3)
    (a, b), gaps = imported(tmp_path / "runs.parquet", lr="param", team="tag")
    assert gaps == ["param lr: the rows have several values, the first is kept"]
    assert (a.summary().params, b.summary().params) == ({"lr": 0.1}, {"lr": 0.2})
    assert (a.summary().tags, b.summary().tags) == ({"team": "x"}, {"team": "z"})
    assert points(a, "loss") == [(0, 0.5)]
    assert str(points(b, "loss")) == f"[(0, nan), (1, {2.0**60})]"
    assert a.get_list_metrics() == {"losses": [1.0, 2.0, 3.0]}
    assert a.get_metrics("loss")["loss"][0].time == round(moments[0].timestamp() * 1000)


def test_choices_that_fit_nothing(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "epoch,loss,acc\n0,1,2\n")
    for columns, message in (
        ({"los": "metric"}, "there is no column 'los' (did you mean 'loss'?)"),
        ({"loss": "metrics"}, "'metrics' is no role of a column (did you mean 'metric'?)"),
    ):
        with pytest.raises(QueryError) as caught:
            open_source(str(table), None, columns)
        assert message in str(caught.value)
    with pytest.raises(SourceError, match="columns 'loss' and 'acc': only one can be step"):
        open_source(str(table), None, {"loss": "step", "acc": "step"})
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "oracle.json").write_text("{}")
    with pytest.raises(QueryError, match=r"--column is for csv and parquet, and .* is keras-tuner"):
        open_source(str(tmp_path / "logs"), None, {"a": "step"})


def test_facts_that_are_not_exact_are_named(tmp_path: Path) -> None:
    table = write(
        tmp_path / "runs.csv", "id,state,created,runtime,lr\na,weird,2025-13-40,,1e999\nb,DONE,2024-03-01,90,1\n"
    )
    (a, b), gaps = imported(table)
    assert sorted(gaps) == [
        "start '2025-13-40' is no time that is known: left out",
        "status 'weird' is unknown: the run counts as finished",
    ]
    assert (a.summary().status, b.took()) == ("finished", 90_000)
    assert a.summary().params == {"lr": "1e999"}
    mixed = write(tmp_path / "mixed.csv", "experiment,step,loss\ne1,0,1\ne2,0,2\n")
    _, gaps = imported(mixed)
    assert gaps == ["column experiment: its project has several values, the last is kept"]


def test_a_table_that_changed_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "step,loss\n0,1\n1,0.5\n")
    ((run,), _) = imported(table)
    before = {path: path.read_bytes() for path in run.directory.glob("*.json*")}
    (done,) = import_runs(open_source(str(table), None, {"loss": "tag"}), tmp_path / "journal")
    assert isinstance(done, Imported)
    assert "metric loss changed in the source" in str(done.error)
    assert {path: path.read_bytes() for path in run.directory.glob("*.json*")} == before


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    good = write(tmp_path / "all" / "good.csv", "step,loss\n0,1\n")
    write(tmp_path / "all" / "empty.csv", "")
    (tmp_path / "all" / "binary.csv").write_bytes(b"step,loss\n0,1\n1,2\n\xff\xfe,\x00\n")
    (tmp_path / "all" / "half.parquet").write_bytes(b"PAR1\0\0")
    runs, gaps = imported(tmp_path / "all", "csv")
    assert [run.manifest.imported.id for run in runs if run.manifest.imported] == ["binary", "good"]
    assert points(runs[1], "loss") == [(0, 1.0)]
    assert points(runs[0], "loss") == [(0, 1.0), (1, 2.0)]
    assert [gap.partition(": ")[0] for gap in gaps] == [str(good.parent / "empty.csv"), str(good.parent / "binary.csv")]
    with pytest.raises(SourceError, match=r"half\.parquet: it cannot be read as Parquet"):
        open_source(str(tmp_path / "all" / "half.parquet"))
    (tmp_path / "logs").mkdir()
    with pytest.raises(SourceError, match="there is no file of this kind in it"):
        open_source(str(tmp_path / "logs"), "csv")


def test_the_command_says_how_columns_are_understood(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", "epoch,loss,seed\n0,1,2\n")
    command: list[Any] = ["import", str(table), "--column", "seed=param", "--journal", str(tmp_path / "journal")]
    shown = CliRunner().invoke(main, [*command, "--dry-run"])
    assert shown.exit_code == 0, shown.output
    note = "t.csv: each row is a point of time in a run; epoch is the step; metrics: loss; params: seed"
    assert " ".join(shown.output.split()).count(note) == 1
    assert not (tmp_path / "journal").exists()
    found = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    assert found["notes"] == [note]
    assert found["runs"][0]["points"] == 1


def test_many_runs_that_alternate(tmp_path: Path) -> None:
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", "step", "loss"])
        writer.writerows([f"r{run}", step, run + step / 8] for step in range(20) for run in range(30))
    runs, gaps = imported(tmp_path / "runs.csv")
    assert (len(runs), gaps) == (30, [])
    assert all(
        points(run, "loss") == [(step, number + step / 8) for step in range(20)] for number, run in enumerate(runs)
    )
