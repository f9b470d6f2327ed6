"""What a real Prometheus sees of a training: its values, whether it is stuck, what waits; and how long an end waits."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_reader import Sample, of_run, scraped
from prometheus_runs import delivered, start, training
from prometheus_server import Prometheus, free_port, get, prometheus, until

import multitrack
from multitrack.errors import ConfigError
from multitrack.testing.kills import Killed, MortalLane
from multitrack_prometheus import PrometheusBackend

pytestmark = pytest.mark.waits


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, int]]:
    port = free_port()
    with prometheus(tmp_path_factory.mktemp("served") / "prometheus", port) as started:
        started.scrape()  # it finds its targets after some seconds
        yield started, port


def value(samples: list[Sample], name: str, **labels: str) -> float:
    """The one sample with these labels."""
    (found,) = [sample for sample in samples if sample.name == name and labels.items() <= sample.labels.items()]
    return found.value


def test_a_training_is_seen_while_it_runs_and_when_it_ends(server: tuple[Prometheus, int], tmp_path: Path) -> None:
    prometheus, port = server
    options = {"port": port, "tags": ["team"]}
    with training(tmp_path, options, others=["recording_backends:waiting"]) as process:
        moving = 'multitrack_metric{run="nightly",project="digits",tag_team="vision",metric="val/acc",kind="series"}'
        first = until(lambda: prometheus.query(moving), "metric")[0].value
        until(lambda: prometheus.query(f"{moving} > {first}"), "later value")
        (age,) = prometheus.query('time() - multitrack_last_record_timestamp_seconds{run="nightly"}')
        assert 0 <= age.value < 5
        waiting = prometheus.query('multitrack_pending_records{run="nightly",lane="waiting"}')
        assert waiting[0].value > 10
        until(lambda: prometheus.query('multitrack_pending_records{run="nightly",lane="prometheus"} < 50'), "own lane")
        os.kill(process.pid, signal.SIGSTOP)  # stuck
        until(lambda: prometheus.query("time() - multitrack_last_record_timestamp_seconds > 2"), "stuck training")
        os.kill(process.pid, signal.SIGCONT)
        (tmp_path / "go").touch()
        until(lambda: prometheus.query('multitrack_pending_records{lane="waiting"} < 50'), "delivery to the other")
    last = multitrack.open_journal(tmp_path / "journal").run("nightly").summary()
    assert last.ended is not None
    # The courier's port is closed by now: what it showed at the end was scraped before.
    info = prometheus.query('last_over_time(multitrack_run_info{run="nightly",status="finished"}[5m])')
    assert [sample.labels["name"] for sample in info] == ["training"]
    final = prometheus.query('last_over_time(multitrack_metric{run="nightly",metric="val/acc"}[5m])')
    (points,) = multitrack.open_journal(tmp_path / "journal").run("nightly").get_metrics("val/acc").values()
    assert [sample.value for sample in final] == [points[-1].value]
    (ended,) = prometheus.query('last_over_time(multitrack_run_end_timestamp_seconds{run="nightly"}[5m])')
    assert ended.value == last.ended / 1000


@pytest.mark.long("both")
@pytest.mark.parametrize("victim", ["courier", "both"])
def test_kill_9_of_the_courier(server: tuple[Prometheus, int], tmp_path: Path, victim: str) -> None:
    prometheus, port = server
    (tmp_path / victim).mkdir()
    seen: list[float] = []
    acc = f'multitrack_metric{{run="{victim}",metric="val/acc",kind="series"}}'
    with training(tmp_path / victim, {"port": port, "hold": 2.0}, run_id=victim) as process:
        seen.append(until(lambda: prometheus.query(acc), "metric")[0].value)
        (log,) = (tmp_path / victim / "journal").glob("courier-*.log")
        if victim == "both":
            process.kill()
        os.kill(int(log.stem.partition("-")[2]), signal.SIGKILL)
        if victim == "courier":
            until(lambda: not prometheus.query(acc), "end of the killed courier's values")
            seen.append(until(lambda: prometheus.query(acc), "new courier's values")[0].value)
            assert seen[1] > seen[0]
    multitrack.sync(tmp_path / victim / "journal")
    run = multitrack.open_journal(tmp_path / victim / "journal").run(victim)
    lane = run.lanes()["prometheus"]
    assert lane.settled
    if victim == "both":  # served by this process, from the sync on
        found = of_run(scraped(str(lane.url)), str(lane.id))
        assert value(found, "multitrack_metric", metric="val/acc") == run.get_metrics("val/acc")["val/acc"][-1].value
        assert value(found, "multitrack_run_info", status="killed") == 1


def test_a_page_has_the_runs_and_nothing_else(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0})
    run.log_metric("x", 1.0)
    run.end()
    delivered(tmp_path, run)
    url = run.urls["prometheus"]
    assert {name.partition("_")[0] for name, _, _ in scraped(url)} == {"multitrack"}
    for other in ("/", "/metrics/x", "/favicon.ico"):
        with pytest.raises(OSError, match="404"):
            get(url.replace("/metrics", other))


def test_a_taken_port_is_left_for_the_next(tmp_path: Path) -> None:
    port = free_port()
    backends = [PrometheusBackend() for _ in range(2)]
    urls = []
    try:
        for i, plugin in enumerate(backends):
            run = start(tmp_path, {"port": port}, run_id=f"r{i}")
            lane = MortalLane(run.directory, plugin, (2000,))  # type: ignore[arg-type]
            lane.deliver(None)
            urls.append(str(lane.state.url))
            lane.release()
            run.end()
    finally:
        for plugin in backends:
            plugin.stop()
    assert urls[0] == f"http://127.0.0.1:{port}/metrics"
    assert int(urls[1].partition("//127.0.0.1:")[2].partition("/")[0]) in range(port + 1, port + 16)


def test_an_address_that_is_not_of_this_machine_stops_the_lane(tmp_path: Path) -> None:
    run = start(tmp_path, {"host": "192.0.2.1"})
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert "cannot serve at 192.0.2.1:9470" in str(run.flush()["prometheus"].problem)


def test_ipv6(tmp_path: Path) -> None:
    run = start(tmp_path, {"host": "::1", "port": 0})
    run.end()
    delivered(tmp_path, run)
    assert run.urls["prometheus"].startswith("http://[::1]:")
    assert scraped(run.urls["prometheus"])


def test_a_courier_that_reads_the_journal_again_shows_nothing_old(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0})
    for step in range(10):
        run.log_metric("x", float(step), step=step)
    plugin = PrometheusBackend()
    lane = MortalLane(run.directory, plugin, (1,))  # type: ignore[arg-type]
    try:
        for life in range(4, 40, 6):
            with contextlib.suppress(Killed):  # or it has delivered everything: what it knew was saved by one before
                lane.deliver(life)
            lane.release()
            url = str(lane.state.url)
            found = [sample.value for sample in scraped(url) if sample.name == "multitrack_metric"]
            assert found in ([], [9.0]), found
            plugin.stop()
            plugin = PrometheusBackend()
            lane = MortalLane(run.directory, plugin, (1,))  # type: ignore[arg-type]
        lane.deliver(None)
        assert [sample.value for sample in scraped(str(lane.state.url)) if sample.name == "multitrack_metric"] == [9.0]
    finally:
        lane.release()
        plugin.stop()


@pytest.mark.parametrize("end", [False, True])
def test_a_run_that_another_courier_delivers_is_not_shown_any_more(tmp_path: Path, end: bool) -> None:
    run = start(tmp_path, {"port": 0})
    run.log_metric("x", 1.0, step=0)
    backend_id, _ = delivered(tmp_path, run)
    assert of_run(scraped(run.urls["prometheus"]), backend_id)
    first = run.urls["prometheus"]
    if end:
        run.end()
    else:
        run.log_metric("x", 2.0, step=1)
    other = PrometheusBackend()
    lane = MortalLane(run.directory, other, (2000,))  # type: ignore[arg-type]
    try:
        lane.deliver(None)
        assert of_run(scraped(first), backend_id) == []
        assert of_run(scraped(str(lane.state.url)), backend_id)
    finally:
        lane.release()
        other.stop()


def test_a_deleted_run_is_not_shown_any_more(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0})
    run.end()
    backend_id, _ = delivered(tmp_path, run)
    url = run.urls["prometheus"]
    assert of_run(scraped(url), backend_id)
    (tmp_path / "journal").rename(tmp_path / "elsewhere")
    assert of_run(scraped(url), backend_id) == []


# -- how long the end of a run waits -----------------------------------------------------------------------------


def seconds_to_end(tmp_path: Path, run: multitrack.Run) -> float:
    run.end()
    began = time.monotonic()
    delivered(tmp_path, run)
    return time.monotonic() - began


def test_an_end_waits_for_the_next_scrape(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0, "hold": 20.0}, params={"lr": 0.1})
    delivered(tmp_path, run)
    url = run.urls["prometheus"]
    seen: list[list[Sample]] = []

    def scrape() -> None:
        time.sleep(1.5)
        seen.append(scraped(url))

    scraper = threading.Thread(target=scrape)
    scraper.start()
    waited = seconds_to_end(tmp_path, run)
    scraper.join()
    assert 1 < waited < 10
    assert value(seen[0], "multitrack_run_info", status="finished") == 1


def test_an_end_waits_no_longer_than_the_option_says(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0, "hold": 1.5})
    assert 1 < seconds_to_end(tmp_path, run) < 6


def test_where_nobody_scrapes_a_long_training_does_not_wait(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0, "hold": 3.0}, params={"lr": 0.1})
    delivered(tmp_path, run)
    time.sleep(3.1)
    assert seconds_to_end(tmp_path, run) < 2


def test_an_old_run_does_not_wait(tmp_path: Path) -> None:
    run = start(tmp_path, {"port": 0, "hold": 2.0})
    run.end()
    time.sleep(2.1)
    assert seconds_to_end(tmp_path, run) < 1.5


def test_a_trial_does_not_wait_for_a_scrape(tmp_path: Path) -> None:
    parent = start(tmp_path, {"port": 0, "hold": 20.0}, params={"lr": 0.1})
    delivered(tmp_path, parent)
    child = start(tmp_path, {"port": 0, "hold": 20.0}, parent=parent.id)
    assert seconds_to_end(tmp_path, child) < 5
    parent.end()
    scraper = threading.Timer(1.0, scraped, (parent.urls["prometheus"],))
    scraper.start()
    delivered(tmp_path, parent)
    scraper.join()
    assert {s.labels["run"] for s in scraped(parent.urls["prometheus"]) if "run" in s.labels} == {parent.id, child.id}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "textfile"}, "needs directory"), ({"mode": "push"}, "needs gateway"),
        ({"mode": "push", "gateway": "gateway:9091"}, "expected a URL"),
        ({"mode": "push", "gateway": "http://me:hunter2@gateway:9091"}, "must not contain credentials"),
        ({"tags": ["a-b", "a.b"]}, "both become the label tag_a_b"), ({"hold": 60.0}, "<= 25"), ({"prot": 1}, "port"),
        ({"port": 70_000}, "<= 65535"), ({"mode": "pull"}, "mode"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_options_is_an_error_at_start_run(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        start(tmp_path, options)
    assert "hunter2" not in str(error.value)
    assert not (tmp_path / "journal").exists()


def test_the_open_metrics_format_is_served_too(tmp_path: Path) -> None:
    """Prometheus asks for it since 2.5; names of counters and the end of the page differ there."""
    import urllib.request

    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

    run = start(tmp_path, {"port": 0}, tags={"team": "a"})
    run.log_metric("x", 1.0)
    run.end()
    delivered(tmp_path, run)
    asked = urllib.request.Request(run.urls["prometheus"], headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert "openmetrics-text" in answer.headers["Content-Type"]
        assert "multitrack_records" in {family.name for family in open_metrics(answer.read().decode())}
