"""A data set behind fsspec: one upload makes an export visible, and of two at once the later one begins again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import fsspec
import polars as pl
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

import multitrack
from exported_runs import record_odd_runs
from multitrack.cli import main
from multitrack.dataset.stores import RemoteStore, open_store
from multitrack.errors import ExportError
from multitrack.export import export

_numbers = itertools.count()


@pytest.fixture
def url() -> Iterator[str]:
    place = f"memory://bucket{next(_numbers)}/runs"
    yield place
    fsspec.filesystem("memory").rm("/", recursive=True)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A place in an S3 server."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    name = f"exports-{next(_numbers)}"  # servers of one process share their buckets
    fsspec.filesystem("s3").mkdir(name)
    yield f"s3://{name}/runs"
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


@pytest.fixture(params=["url", "bucket"], ids=["memory", "s3"])
def location(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    return found


def rows(url: str, table: str) -> list[dict[str, Any]]:
    with fsspec.open(f"{url}/dataset.json") as file:
        files = json.load(file)["files"][table]
    found: list[dict[str, Any]] = []
    for path in files:
        with fsspec.open(f"{url}/{path}") as file:
            found += pl.read_parquet(file.read()).to_dicts()
    return found


def record(journal: Path, run_id: str, value: int) -> None:
    config = {"journal": str(journal), "delivery": "off"}
    with multitrack.start_run("p", run_id=run_id, config=config, params={"value": value}) as run:
        run.log_metric("loss", value, step=0)


def test_an_export_to_an_object_store(location: str, tmp_path: Path) -> None:
    url = location
    record_odd_runs(tmp_path / "j")
    first = export(multitrack.open_journal(tmp_path / "j").runs(), url)
    assert (first.new, first.location) == (10, url)
    record(tmp_path / "j", "later", 1)
    result = CliRunner().invoke(main, ["export", url, "--journal", str(tmp_path / "j"), "--keep", "0s"])
    assert "11 runs; 1 new, 0 changed, 10 unchanged" in result.stdout, result.output
    assert len({row["run"] for row in rows(url, "runs")}) == 11
    assert {row["project"] for row in rows(url, "params")} == {row["project"] for row in rows(url, "runs")}


def test_two_exports_at_once(location: str, tmp_path: Path) -> None:
    """The second one finishes while the first one is writing."""
    url = location
    for i in range(2):
        record(tmp_path / f"gpu{i}", f"r{i}", i)
    commit: Callable[..., None] = RemoteStore.commit
    between = iter([lambda: export(multitrack.open_journal(tmp_path / "gpu1").runs(), url)])

    def later(store: RemoteStore, generation: int, content: bytes) -> None:
        next(between, lambda: None)()
        commit(store, generation, content)

    with mock.patch.object(RemoteStore, "commit", later):
        export(multitrack.open_journal(tmp_path / "gpu0").runs(), url)
    assert sorted((row["run"], row["value"]) for row in rows(url, "points")) == [("r0", 0), ("r1", 1)]
    store = open_store(url)
    named = {path for paths in json.loads(store.current() or b"")["files"].values() for path in paths}
    there = {path for table in ("runs", "points", "params") for path, _ in store.files(table) if "-empty" not in path}
    kept = {path for path in there if path in named}
    assert {path for path in there - kept if path.startswith("points")} == set()  # the first attempt left nothing


def test_an_export_that_was_killed_before_its_last_upload(url: str, tmp_path: Path) -> None:
    """Its generation is claimed, with all that it wrote: it counts, and the next one replaces `dataset.json`."""
    record(tmp_path / "j", "r0", 0)
    export(multitrack.open_journal(tmp_path / "j").runs(), url)
    record(tmp_path / "j", "r1", 1)
    memory = fsspec.filesystem("memory")
    pipe = type(memory).pipe_file

    def dies(self: Any, path: str, value: bytes, **more: Any) -> None:
        if path.endswith("dataset.json"):
            raise ConnectionError("gone")
        pipe(self, path, value, **more)

    with mock.patch.object(type(memory), "pipe_file", dies), pytest.raises(ConnectionError):
        export(multitrack.open_journal(tmp_path / "j").runs(), url)
    assert {row["run"] for row in rows(url, "runs")} == {"r0"}
    record(tmp_path / "j", "r2", 2)
    found = export(multitrack.open_journal(tmp_path / "j").runs(), url)
    assert (found.new, found.unchanged, found.generation) == (1, 2, 3)
    assert {row["run"] for row in rows(url, "runs")} == {"r0", "r1", "r2"}


def test_no_bucket_is_made(bucket: str, tmp_path: Path) -> None:
    """Its name may be a typo."""
    record(tmp_path / "j", "r0", 0)
    for data in ("s3://typo-in-bucket/runs", "s3://typo-in-bucket"):
        result = CliRunner().invoke(main, ["export", data, "--journal", str(tmp_path / "j")])
        assert result.exit_code == 1
        assert "there is no bucket typo-in-bucket, and it is not created: check the URL" in result.stderr
    buckets = fsspec.filesystem("s3").ls("", refresh=True)
    assert bucket.split("/")[2] in buckets
    assert "typo-in-bucket" not in buckets


def test_an_archive_is_no_place_for_a_data_set(bucket: str, tmp_path: Path) -> None:
    record(tmp_path / "j", "r0", 0)
    assert CliRunner().invoke(main, ["push", bucket, "--journal", str(tmp_path / "j")]).exit_code == 0
    result = CliRunner().invoke(main, ["export", bucket, "--journal", str(tmp_path / "j")])
    assert result.exit_code == 2
    assert f"{bucket} is an archive of `multitrack push`: choose another place" in result.stderr
    assert not fsspec.filesystem("s3").exists(f"{bucket}/dataset.json")


def test_what_a_url_needs(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nonsense://x: Protocol not known: nonsense"):
        export([], "nonsense://x")
    with (
        mock.patch.dict("sys.modules", fsspec=None),
        pytest.raises(ImportError, match=r"needs fsspec: in a checkout, pip install '\.\[export\]'"),
    ):
        export([], "memory://x")
    assert not list(tmp_path.iterdir())
