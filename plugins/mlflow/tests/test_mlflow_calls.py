"""Many runs of one process in one database: MLflow's engine has a limited number of connections."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from mlflow_reader import read_run

import multitrack
from multitrack.delivery.lane import Lane
from multitrack.errors import RetryableError
from multitrack.journal.manifest import read_manifest
from multitrack_mlflow.calls import calling

RUNS = 24


def pool_of(client: MlflowClient) -> Any:
    return client._tracking_client.store.engine.pool


def test_many_lanes_at_once_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a courier that many processes share. Eight connections are two for each of four calls."""
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "4")
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW", "4")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "mlflow": {"tracking_uri": uri}}
    lanes: list[Lane] = []
    told: list[str] = []
    for number in range(RUNS):
        with multitrack.start_run("p", f"run {number}", config=config, backends=["mlflow"]) as run:
            run.log_params({"number": number})
            run.log_metric("loss", number / 2, step=0)
        (entry,) = read_manifest(run.directory).backends
        lanes.append(Lane(run.directory, entry, notice=told.append))
    together = threading.Barrier(RUNS)

    def deliver(lane: Lane) -> None:
        together.wait(60)
        while not lane.done:
            if not lane.step():
                time.sleep(0.05)

    threads = [threading.Thread(target=deliver, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == []
    for number, lane in enumerate(lanes):
        assert lane.state.id is not None
        stored = read_run(uri, lane.state.id)
        assert stored.params["number"] == str(number)
        assert stored.metrics["loss"] == number / 2
        lane.release()


def test_a_call_that_found_no_connection_is_tried_again(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    client.search_experiments()
    pool = pool_of(client)
    pool._timeout = 0.1
    held = [pool.connect() for _ in range(pool.size() + pool._max_overflow)]
    try:
        with pytest.raises(RetryableError, match="QueuePool limit"), calling(uri, 5.0):
            client.create_experiment("one")
    finally:
        for connection in held:
            connection.close()
    with calling(uri, 5.0):
        assert client.create_experiment("one")
