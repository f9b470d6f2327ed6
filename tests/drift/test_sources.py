"""The tables that names stand for: files, list metrics and datasets of runs, tables in memory."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import multitrack
from multitrack import DriftError, RunError
from multitrack.drift.sources import read_source

TABLE = {"age": [1.5, 2.0, 3.0], "city": ["a", "b", "a"]}


def written(path: Path) -> Path:
    frame = pd.DataFrame(TABLE)
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".parquet":
            frame.to_parquet(path)
        case ".json":
            frame.to_json(path)
        case _:
            frame.to_json(path, orient="records", lines=True)
    return path


def recorded(name: str, **more: Any) -> multitrack.Run:
    return multitrack.start_run("shop", name, config={"delivery": "off"}, **more)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl", ".ndjson"])
def test_a_file(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"table{suffix}")
    source, frame = read_source(str(path))
    assert {name: list(frame[name]) for name in frame} == TABLE
    content = path.read_bytes()
    assert (source.name, source.rows, source.run, source.uri) == (str(path), 3, None, path.as_uri())
    assert (source.digest, source.size) == (f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def test_times_in_json_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"created_at": [1, 2], "date": [3, 4]}))
    assert list(read_source(tmp_path / "t.json")[1]["created_at"]) == [1, 2]


def test_list_metrics_of_a_run() -> None:
    with recorded("prod") as run:
        run.log_list_metric("age", [1, 2])
        run.log_list_metric("age", [3])
        run.log_list_metric("income", [5, 6, float("nan")])
    for given in (run.id, "prod", run, multitrack.open_journal().run("prod")):
        source, frame = read_source(given)
        assert list(frame["age"]) == [1, 2, 3]
        assert list(frame.columns) == ["age", "income"]
        assert (source.run, source.project, source.version) == (run.id, "shop", f"run:{run.id}:3")
        assert run.directory is not None
        assert source.uri == run.directory.as_uri()


def test_list_metrics_of_different_lengths_need_columns() -> None:
    with recorded("prod") as run:
        run.log_list_metric("age", [1, 2])
        run.log_list_metric("latency", [3])
    with pytest.raises(DriftError, match=r"different lengths.*age 2, latency 1; --columns"):
        read_source("prod")
    assert list(read_source("prod", ["latency"])[1]["latency"]) == [3]
    with pytest.raises(DriftError, match=r"no list metric 'latncy' \(did you mean 'latency'\?\)"):
        read_source("prod", ["latncy"])


def test_datasets_of_a_run(tmp_path: Path) -> None:
    path = written(tmp_path / "träin %41.csv")
    other = written(tmp_path / "other.parquet")
    with recorded("one") as run:
        run.log_artifact_ref("train", path, kind="dataset", role="input", version="delta:3")
        run.log_artifact_ref("made", other, kind="dataset")  # an output
    source, frame = read_source("one")
    assert list(frame["city"]) == TABLE["city"]
    assert (source.name, source.run, source.version) == (f"{run.id}:train", run.id, "delta:3")
    with recorded("two") as run:
        run.log_artifact_ref("train", path, kind="dataset", role="input")
        run.log_artifact_ref("extra:new", other, kind="dataset", role="input")
    with pytest.raises(DriftError, match="several datasets; name one as RUN:DATASET; there are train, extra:new"):
        read_source("two")
    assert read_source("two:extra:new")[0].uri == other.as_uri()
    with pytest.raises(DriftError, match=r"no dataset 'tran' \(did you mean 'train'\?\)"):
        read_source("two:tran")


def test_a_dataset_that_has_changed_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "train.csv")
    with recorded("one") as run:
        run.log_artifact_ref("train", path, kind="dataset", role="input")
    path.write_text("age,city\n1,a\n")
    with pytest.raises(DriftError, match=r"train\.csv has changed since it was recorded: its digest is sha256:"):
        read_source("one")
    assert read_source(path)[0].rows == 1


def test_what_is_no_table(tmp_path: Path) -> None:
    with recorded("none"):
        pass
    with recorded("far") as run:
        run.log_artifact_ref("train", "s3://bucket/train.csv", kind="dataset", role="input")
    with recorded("unknown") as run:
        run.log_artifact_ref("train", written(tmp_path / "t.csv"), kind="dataset", role="input", digest=False)
    (tmp_path / "model.pkl").write_bytes(b"\x80")
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    os.mkfifo(tmp_path / "waits.csv")
    for given, error, message in (
        ("none", DriftError, "recorded no inputs: run.log_list_metric"),
        ("far", DriftError, "only local files are compared; download it"),
        ("unknown", DriftError, r"no sha256 of .*t\.csv was recorded; give the path"),
        (tmp_path / "model.pkl", DriftError, "known are .csv, .parquet"),
        (tmp_path / "broken.parquet", DriftError, "cannot be read as parquet"),
        (tmp_path / "waits.csv", OSError, "not a regular file"),
        (tmp_path / "absent.csv", FileNotFoundError, "absent.csv"),
        (str(tmp_path / "absent.csv"), FileNotFoundError, "absent.csv"),
        ("absent.csv", FileNotFoundError, "absent.csv"),
        ("unknown:absent.csv", DriftError, "read no dataset 'absent.csv'"),
        ("nobody", RunError, "neither a file nor a run: no run matches"),
        (7, TypeError, "expected a path, a run, a DataFrame or a mapping"),
        ({"a": [1], "b": [1, 2]}, DriftError, "different lengths"),
    ):
        with pytest.raises(error, match=message):
            read_source(given)


def test_tables_in_memory() -> None:
    for given in (TABLE, pd.DataFrame(TABLE)):
        source, frame = read_source(given)
        assert (source.rows, source.uri, list(frame["age"])) == (3, None, TABLE["age"])
