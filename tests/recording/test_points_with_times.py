"""Points with times of their own, as another tracker's client gives them."""

from pathlib import Path

import pytest

import multitrack
from multitrack.errors import MetricKindError
from multitrack.reading.recorded_run import RecordedRun
from segment_times import assert_times_rise


def points(directory: Path, name: str) -> list[tuple[int, int, float]]:
    found = RecordedRun(directory).get_series(name)
    return list(zip(found.steps, found.times, found.values, strict=True))


@pytest.mark.parametrize("fsync", [False, 0.5])
def test_points_keep_their_times_and_order(tmp_path: Path, fsync: float) -> None:
    config = {"journal": str(tmp_path), "delivery": "off", "fsync": fsync}
    with multitrack.start_run("p", config=config) as run:
        logged = [(0, 50, 1.0), (1, 60, 2.0), (2, 55, float("inf")), (3, 55, 4.0), (4, 2**45, 5.0), (5, 3, 6.0)]
        for step, time, value in logged:
            run.integration.log_metrics_at({"loss": value}, step, time)
        run.log_metric("loss", 7.0, step=6)
        run.set_tags({"after": "1"})
    assert run.directory is not None
    assert points(run.directory, "loss")[:-1] == logged
    summary = RecordedRun(run.directory).summary()
    assert (summary.status, summary.records, summary.tags["after"]) == ("finished", 8, "1")
    assert_times_rise(tmp_path)


def test_a_list_metric_refuses_them(tmp_path: Path) -> None:
    with multitrack.start_run("p", config={"journal": str(tmp_path), "delivery": "off"}) as run:
        run.log_list_metric("loss", [1, 2])
        with pytest.raises(MetricKindError, match="list metric"):
            run.integration.log_metrics_at({"loss": 1.0}, 0, 5)
