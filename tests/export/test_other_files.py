"""Files of others in the place of an export: a place that has them is refused, and none is ever deleted."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import fsspec
import pytest
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

import multitrack
from exported_runs import files_of
from multitrack.cli import main
from multitrack.dataset.schema import TABLES
from multitrack.export import export
from multitrack.export.place import is_own

SCRIPT = Path(__file__).parent / "killed_export.py"
OTHERS = ("runs/exp1/events.out.tfevents.1", "metrics/scores.json", "lines/new.txt", "points/p/000001-notes.parquet")

_numbers = itertools.count()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    record(tmp_path / "journal", "r0")
    return tmp_path / "journal"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket in an S3 server."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    name = f"others-{next(_numbers)}"  # servers of one process share their buckets
    fsspec.filesystem("s3").mkdir(name)
    yield f"s3://{name}"
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


@pytest.fixture(params=["directory", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "directory":
        yield str(tmp_path / "data")
    elif request.param == "memory":
        yield f"memory://others{next(_numbers)}/data"
        fsspec.filesystem("memory").rm("/", recursive=True)
    else:
        yield f"{request.getfixturevalue('bucket')}/data"


def record(journal: Path, run_id: str) -> None:
    with multitrack.start_run("p", run_id=run_id, config={"journal": str(journal), "delivery": "off"}) as run:
        run.log_params({"lr": 1})
        run.log_metric("loss", 1, step=0)


def put_others(place: str, paths: Iterable[str] = OTHERS) -> None:
    for path in paths:
        with fsspec.open(f"{place}/{path}", "wb", auto_mkdir=True) as file:
            file.write(path.encode())


def contents(place: str) -> dict[str, bytes]:
    system, root = fsspec.core.url_to_fs(place)
    system.invalidate_cache()
    return {str(path).partition(root)[2].lstrip("/"): system.cat_file(path) for path in system.find(root)}


def run_export(place: str, journal: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["export", place, "--journal", str(journal), *options])


@pytest.mark.parametrize("storage", ["parquet", "delta"])
def test_a_place_with_other_files_is_refused(storage: str, place: str, journal: Path) -> None:
    put_others(place)
    before = contents(place)
    result = run_export(place, journal, "--format", storage)
    assert result.exit_code == 2, result.output
    kind = "prefix" if "://" in place else "directory"
    assert (
        f"Invalid value for DIR|URL: {place} holds other files (lines, metrics, points, …) and is no data set: give an empty or new {kind}"
        in result.stderr
    )
    assert contents(place) == before


def test_exports_spare_the_files_that_others_put_into_a_data_set(
    place: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multitrack.export.exporting._ABANDONED", 0)  # on an object store, else after a day
    assert run_export(place, journal).exit_code == 0
    put_others(place, paths := (*OTHERS, "_state/notes.msgpack", "_commits/notes.json"))
    others = {path: path.encode() for path in paths}
    for run_id in ("r1", None, "r2"):  # once without any change
        if run_id is not None:
            record(journal, run_id)
        result = run_export(place, journal, "--keep", "0s")
        assert result.exit_code == 0, result.output
        assert contents(place).items() >= others.items()


def test_an_empty_directory_is_a_place(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert run_export(str(tmp_path / "data"), journal).exit_code == 0


def test_an_empty_folder_of_a_bucket_is_a_place(bucket: str, journal: Path) -> None:
    """Consoles of S3 make one as an object whose name ends with a slash."""
    fsspec.filesystem("s3").call_s3("put_object", Bucket=bucket.removeprefix("s3://"), Key="data/", Body=b"")
    result = run_export(f"{bucket}/data", journal)
    assert result.exit_code == 0, result.output


def test_the_dataset_json_of_another_program_is_refused(journal: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    fields = {"format": "x", "generation": 1, "written": 1, "runs": 0, "files": {}, "state": ""}
    (data / "dataset.json").write_text(json.dumps(fields))
    result = run_export(str(data), journal)
    assert (result.exit_code, "is of another program: 'x'" in result.stderr) == (1, True)
    assert [path.name for path in data.iterdir()] == ["dataset.json"]


def steps_of_a_first_export(journal: Path, data: Path, step: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(journal), str(data), str(step)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("step", [1, 12, 30])
def test_a_first_export_that_was_killed_can_be_repeated(step: int, journal: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = steps_of_a_first_export(journal, data, step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (data / "dataset.json").exists()
    others = OTHERS if step > 1 else ()  # at the first step the mark is a draft
    put_others(str(data), others)
    result = run_export(str(data), journal)
    assert result.exit_code == 0, result.output
    there = {path: (data / path).read_bytes() for path in others}
    assert there == {path: path.encode() for path in others}
    named = {file for table in TABLES for file in files_of(data, table.name)}
    own = {str(data / path) for path in contents(str(data)) if is_own(path) and path.endswith(".parquet")}
    assert own <= named, "what the killed export left is deleted"


def test_a_place_before_its_mark(journal: Path, tmp_path: Path) -> None:
    """An export that was killed while it marked the place has left its lock, and a draft."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("_lock", "._multitrack-data-set.4711"):
        (data / name).touch()
    assert run_export(str(data), journal).exit_code == 0


def test_a_data_set_without_its_mark(journal: Path, tmp_path: Path) -> None:
    """It is known by its ``dataset.json``; without that, it is a directory with any files."""
    data = tmp_path / "data"
    export(multitrack.open_journal(journal).runs(), data)
    (data / "_multitrack-data-set").unlink()
    assert run_export(str(data), journal).exit_code == 0
    shutil.rmtree(data / "_state")
    (data / "dataset.json").unlink()
    assert run_export(str(data), journal).exit_code == 2


def test_all_files_of_an_export_have_names_of_its_form(journal: Path, tmp_path: Path) -> None:
    """Else they would never be deleted."""
    with multitrack.start_run("ü ☃/日本", config={"journal": str(journal), "delivery": "off"}) as run:
        run.log_metric("loss", 1, step=0)
    export(multitrack.open_journal(journal).runs(), tmp_path / "data")
    strange = {path for path in contents(str(tmp_path / "data")) if not is_own(path) and "-empty." not in path}
    assert strange == {"dataset.json", "_lock", "_multitrack-data-set"}
