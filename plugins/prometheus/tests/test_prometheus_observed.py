"""All values of a metric as a histogram: counted once, however couriers die, and valid in both formats."""

import contextlib
import copy
import math
import random
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_reader import Sample, of_run, parsed, written
from prometheus_runs import delivered, start
from prometheus_server import program

import multitrack
from multitrack.compaction.runs import compact_runs
from multitrack.errors import ConfigError
from multitrack.journal.manifest import Compaction
from multitrack.testing.kills import Killed, MortalLane
from multitrack_prometheus import PrometheusBackend, backend
from multitrack_prometheus.kept import FILE, Kept
from multitrack_prometheus.options import BOUNDS


def options(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {"mode": "textfile", "directory": str(tmp_path / "node"), **more}


def shown(tmp_path: Path, backend_id: str) -> list[Sample]:
    return of_run(written(tmp_path / "node"), backend_id)


def observed(samples: list[Sample], metric: str, kind: str = "simple") -> dict[str, float]:
    """The samples of a metric's histogram: ``count``, ``sum``, and the buckets by their bounds."""
    found = {}
    for name, labels, value in samples:
        if (labels.get("metric"), labels.get("kind")) == (metric, kind) and name.startswith("multitrack_metric_values"):
            found[labels.get("le", name.rpartition("_")[2])] = value
    return found


def buckets(values: list[float], bounds: list[float]) -> dict[str, float]:
    """The histogram that these values make."""
    up_to = {str(bound): float(sum(value <= bound for value in values)) for bound in bounds}
    return {**up_to, "+Inf": len(values), "count": len(values), "sum": sum(values)}


def test_values_are_counted_up_to_and_with_each_bound(tmp_path: Path) -> None:
    bounds = [0.25, 1.0, 4.0]
    run = start(tmp_path, options(tmp_path, histograms={"latency": bounds}), deployment="eu")
    values = [0.0, 0.25, 0.250001, 1, 3.5, 4.0, 4.5, 1e300]
    for value in values:
        run.log_metrics({"latency": value, "score": 1})
    run.log_list_metric("latency", values[:3])
    backend_id, _ = delivered(tmp_path, run)
    found = shown(tmp_path, backend_id)
    assert observed(found, "latency") == buckets(values, bounds)
    assert observed(found, "latency", "list") == buckets(values[:3], bounds)
    assert observed(found, "score") == {"+Inf": 8, "count": 8, "sum": 8}
    assert {labels["tag_deployment"] for _, labels, _ in found} == {"eu"}


def test_latency_has_buckets_by_default_and_every_named_metric(tmp_path: Path) -> None:
    for i, (histograms, names) in enumerate(
        [({}, {"latency"}), ({"histograms": ["a"]}, {"a"}), ({"histograms": {"b": [1, 2]}}, {"b"})]
    ):
        run = start(tmp_path, options(tmp_path, **histograms), deployment="eu", run_id=f"r{i}")
        run.log_metrics({"latency": 0.5, "a": 0.5, "b": 0.5})
        found = shown(tmp_path, delivered(tmp_path, run)[0])
        for name in ("latency", "a", "b"):
            bounds = ([1.0, 2.0] if name == "b" else BOUNDS) if name in names else []
            assert observed(found, name) == buckets([0.5], bounds)
        run.end()


def test_a_run_without_deployment_has_only_the_named_ones(tmp_path: Path) -> None:
    """The last value says all of a metric that a training writes once."""
    run = start(tmp_path, options(tmp_path, histograms=["named"]))
    run.log_metrics({"accuracy": 0.9, "named": 0.5})
    run.log_list_metric("list", [1.0, 2.0])
    run.log_metric("loss", 0.5, step=0)
    backend_id, _ = delivered(tmp_path, run)
    found = shown(tmp_path, backend_id)
    assert {labels["metric"] for name, labels, _ in found if "values" in name} == {"named"}
    run.set_tags({"deployment": "eu"})
    delivered(tmp_path, run)
    found = shown(tmp_path, backend_id)
    assert {labels["metric"] for name, labels, _ in found if "values" in name} == {"accuracy", "list", "named"}
    assert observed(found, "list", "list") == {"+Inf": 2, "count": 2, "sum": 3}


def test_a_series_is_not_counted(tmp_path: Path) -> None:
    """It may have the name of a simple metric."""
    run = start(tmp_path, options(tmp_path), deployment="eu")
    run.log_metric("latency", 7.0, step=0)
    run.log_metric("latency", 0.5)
    found = shown(tmp_path, delivered(tmp_path, run)[0])
    assert observed(found, "latency") == buckets([0.5], BOUNDS)
    assert observed(found, "latency", "series") == {}


def test_what_is_not_finite_is_counted_apart(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path), deployment="eu")
    for value in (math.nan, 0.5, math.inf, -math.inf, 10**400, 2.0):
        run.log_metric("latency", value)
    found = shown(tmp_path, delivered(tmp_path, run)[0])
    assert observed(found, "latency") == buckets([0.5, 2.0], BOUNDS)
    apart = [(labels["metric"], value) for name, labels, value in found if "not_finite" in name]
    assert apart == [("latency", 4)]


def test_values_below_zero_have_no_sum_which_would_fall(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path, histograms={"score": [-1.0, 0.0, 1.0]}), deployment="eu")
    run.log_metrics({"score": 0.5, "other": 3.0})
    assert observed(shown(tmp_path, delivered(tmp_path, run)[0]), "other") == {"+Inf": 1, "count": 1, "sum": 3}
    for score in (-2.0, -1.0, 0.0, 2.0):
        run.log_metrics({"score": score, "other": score})
    backend_id, said = delivered(tmp_path, run)
    found = shown(tmp_path, backend_id)
    assert observed(found, "score") == {"-1.0": 2, "0.0": 3, "1.0": 4, "+Inf": 5}
    assert observed(found, "other") == {"+Inf": 5}
    assert [text for text in said if "tags" not in text] == [
        f"simple metric {name}: values below 0 are counted without a sum, which has to grow"
        for name in ("score", "other")
    ]


def test_metrics_beyond_the_maximum_are_not_counted(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path, max_metrics=1), deployment="eu")
    run.log_metrics({"score": 1, "latency": 0.5})
    found = shown(tmp_path, delivered(tmp_path, run)[0])
    assert {labels["metric"] for name, labels, _ in found if "values" in name} == {"score"}


@pytest.mark.parametrize("tags", [[], ["deployment"], ["team"], ["team", "deployment"]])
def test_a_deployment_is_a_label_in_any_case(tmp_path: Path, tags: list[str]) -> None:
    run = start(tmp_path, options(tmp_path, tags=tags), deployment="eu", tags={"team": "vision"})
    found = shown(tmp_path, delivered(tmp_path, run)[0])
    labels = {label for _, labels, _ in found for label in labels if label.startswith("tag_")}
    assert labels == {"tag_deployment", *(f"tag_{tag}" for tag in tags)}


def test_the_page_is_valid_in_both_formats(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0, "histograms": {"latency": [1e-7, 0.5, 1e21], "score": [-1, 1]}}, deployment="eu")
    run.log_metrics({"latency": 0.5, "score": -0.5, "class": 3})
    run.log_list_metric("latency", [0.5, 7])
    delivered(tmp_path, run)
    run.end()
    asked = urllib.request.Request(run.urls["prometheus"], headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        found = {family.name: family for family in open_metrics(answer.read().decode())}
    assert found["multitrack_metric_values"].type == "histogram"
    assert len(found["multitrack_metric_values"].samples) == 2 * 6 + 3 + 3  # latency twice; class, score without a sum
    with urllib.request.urlopen(run.urls["prometheus"], timeout=10) as answer:
        page = answer.read()
    assert observed(parsed(page.decode()), "latency") == buckets([0.5], [1e-7, 0.5, 1e21])
    done = subprocess.run([program("promtool"), "check", "metrics"], input=page, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("seed", range(8))
def test_no_count_goes_back_or_doubles_however_couriers_die(tmp_path: Path, seed: int) -> None:
    """Each dies before or after any call of a hook, or between the file of its values and the lane's position."""
    chance = random.Random(seed)
    run = start(tmp_path, options(tmp_path), deployment="eu")
    values: list[float] = []
    counts = [0.0]
    for _ in range(12):
        for _ in range(chance.randrange(30)):
            values.append(chance.randrange(1, 8192) / 1024)
            run.log_metric("latency", values[-1])
        plugin = PrometheusBackend()
        lane = MortalLane(run.directory, plugin, (chance.randrange(1, 20),))  # type: ignore[arg-type]
        with contextlib.suppress(Killed):
            lane.deliver(chance.randrange(2, 40))
        lane.release()
        plugin.stop()
        if chance.random() < 0.2:  # a disk that lost or broke it
            file = run.directory / "lanes" / "prometheus" / FILE  # type: ignore[operator]
            if file.exists():
                file.write_bytes(file.read_bytes()[: chance.randrange(20)])
        if list((tmp_path / "node").glob("*.prom")):
            counts.append(observed(written(tmp_path / "node"), "latency").get("count", 0))
    assert counts == sorted(counts)
    backend_id, _ = delivered(tmp_path, run)
    assert observed(shown(tmp_path, backend_id), "latency") == buckets(values, BOUNDS)
    run.end()


def test_a_courier_shows_at_once_what_an_earlier_one_saved(tmp_path: Path) -> None:
    """No record may follow for long."""
    run = start(tmp_path, options(tmp_path), deployment="eu")
    run.log_metric("latency", 0.5)
    for _ in range(2):
        for path in (tmp_path / "node").glob("*.prom"):
            path.unlink()
        plugin = PrometheusBackend()
        lane = MortalLane(run.directory, plugin, (100,))  # type: ignore[arg-type]
        lane.deliver(None)
        lane.release()
        plugin.stop()
        assert observed(shown(tmp_path, str(lane.state.id)), "latency") == buckets([0.5], BOUNDS)


def test_a_resumed_run_counts_on(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path), deployment="eu", run_id="service")
    run.log_metric("latency", 0.5)
    run.end()
    delivered(tmp_path, run)
    again = start(tmp_path, options(tmp_path), run_id="service")
    again.log_metric("latency", 2.0)
    backend_id, _ = delivered(tmp_path, again)
    assert observed(shown(tmp_path, backend_id), "latency") == buckets([0.5, 2.0], BOUNDS)


def test_other_bounds_count_anew_from_the_journal(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path), deployment="eu", run_id="service")
    run.log_metric("latency", 0.5)
    run.end()
    delivered(tmp_path, run)
    again = start(tmp_path, options(tmp_path, histograms={"latency": [1.0]}), run_id="service")
    again.log_metric("latency", 2.0)
    backend_id, _ = delivered(tmp_path, again)
    assert observed(shown(tmp_path, backend_id), "latency") == buckets([0.5, 2.0], [1.0])


def test_a_journal_that_lost_its_newest_lines_is_counted_anew(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path), deployment="eu")
    for value in (0.5, 1.0, 2.0):
        run.log_metric("latency", value)
    delivered(tmp_path, run)
    (segment,) = run.directory.glob("0*.jsonl")  # type: ignore[union-attr]
    whole = segment.read_bytes()
    segment.write_bytes(b"".join(whole.splitlines(keepends=True)[:-2]))
    plugin = PrometheusBackend()
    lane = MortalLane(run.directory, plugin, (100,))  # type: ignore[arg-type]
    lane.deliver(None)
    lane.release()
    plugin.stop()
    assert observed(shown(tmp_path, str(lane.state.id)), "latency") == buckets([0.5], BOUNDS)


def test_a_file_that_would_break_the_page_is_not_taken(tmp_path: Path) -> None:
    """A journal may come from somebody else."""
    run = start(tmp_path, options(tmp_path), deployment="eu")
    run.log_metric("latency", 0.5)
    backend_id, _ = delivered(tmp_path, run)
    file = run.directory / "lanes" / "prometheus" / FILE  # type: ignore[operator]
    whole = msgspec.msgpack.decode(file.read_bytes(), type=Kept)
    backend.stop()
    label, counts = copy.deepcopy(whole), copy.deepcopy(whole)
    label.tags['tag_x="y"} 1\nz{a'] = "b"
    counts.observed["simple", "latency"].counts.pop()
    for broken in (label, counts):
        file.write_bytes(msgspec.msgpack.encode(broken))
        lane = MortalLane(run.directory, backend, (100,))  # type: ignore[arg-type]
        lane.deliver(None)
        lane.release()
        assert observed(shown(tmp_path, backend_id), "latency") == buckets([0.5], BOUNDS)
        assert msgspec.msgpack.decode(file.read_bytes(), type=Kept) == whole


@pytest.mark.parametrize(
    "histograms", [{"latency": []}, {"latency": [2, 1]}, {"latency": [1, 1]}, {"latency": [math.inf]},
                   {"latency": [float(i) for i in range(51)]}],
)  # fmt: skip
def test_bounds_have_to_rise(tmp_path: Path, histograms: dict[str, list[float]]) -> None:
    with pytest.raises(ConfigError, match="bounds of 'latency' in histograms must be 1 to 50 rising numbers"):
        start(tmp_path, options(tmp_path, histograms=histograms))


def test_bounds_in_a_config_file(tmp_path: Path) -> None:
    (tmp_path / "multitrack.toml").write_text(
        'backends = ["prometheus"]\ndelivery = "off"\njournal = "journal"\n'
        '[prometheus]\nmode = "textfile"\ndirectory = "node"\nhistograms.latency = [1, 2.5]\n'
    )
    run = multitrack.start_run(config=str(tmp_path / "multitrack.toml"), deployment="eu")
    run.log_metric("latency", 2.0)
    backend_id, _ = delivered(tmp_path, run)
    assert observed(shown(tmp_path, backend_id), "latency") == buckets([2.0], [1.0, 2.5])
    run.end()


def test_records_that_were_compacted_are_not_counted_again_and_hide_nothing(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path), deployment="eu", run_id="long")
    for _ in range(500):
        run.log_metrics({"latency": 0.002, "score": 1})
    backend_id, _ = delivered(tmp_path, run)
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert observed(shown(tmp_path, backend_id), "score")["count"] == 500
    assert run.directory is not None
    (compacted,) = compact_runs([run.directory], Compaction(0.0, ["metrics"]))
    assert compacted.records == 500
    for lost in (False, True):
        if lost:
            (run.directory / "lanes" / "prometheus" / FILE).unlink()
        run = start(tmp_path, options(tmp_path), deployment="eu", run_id="long")
        run.log_metrics({"latency": 0.002, "score": 1})
        backend_id, _ = delivered(tmp_path, run)
        found = shown(tmp_path, backend_id)
        assert observed(found, "score")["count"] == (2 if lost else 501)
        run.end()
        multitrack.sync(tmp_path / "journal")
