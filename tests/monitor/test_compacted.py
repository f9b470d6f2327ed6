"""Compacted values in windows, in the command and on a page, beside values that are not compacted yet."""

import json
import sys

import pytest
from click.testing import CliRunner, Result

import multitrack
from compacted_runs import compacted, segments, service
from monitor_clock import Clock, clock
from multitrack.cli import main
from multitrack.compaction.segment import rewrite
from multitrack.page.monitor import PageMonitor
from multitrack.reading.recorded_run import RecordedRun

__all__ = ["clock"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="multitrack")


def count(*arguments: str) -> int:
    done = invoke("monitor", "score", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return sum(window["count"] for group in json.loads(done.stdout)["groups"] for window in group["windows"])


@pytest.fixture
def half(clock: Clock) -> RecordedRun:
    """The first of two days is compacted."""
    run = service(clock, every=20_000)
    rewrite(segments(run.directory)[0], ["metrics"])
    return run


def test_compacted_and_other_values_together(half: RecordedRun) -> None:
    assert count() == 4320
    assert count("--every", "1h") == 4320
    assert count("--every", "10min", "--since", "2023-11-15T00:00") < 4320


def test_windows_that_are_too_short_are_refused_and_say_what_is_possible(half: RecordedRun) -> None:
    for every in ("1min", "90s", "7min"):
        done = invoke("monitor", "score", "--every", every)
        assert done.exit_code == 2
        assert "were compacted to windows of 5 minutes: use windows of 5min" in " ".join(done.stderr.split())
        assert invoke("monitor", "score", "--every", every, "--since", "2023-11-15T12:00").exit_code == 0


def test_a_page_that_is_open_while_records_are_compacted(half: RecordedRun) -> None:
    page = PageMonitor()
    page.add(half, half.summary())

    def counted() -> int:
        page._due = 0.0  # a served page lets some time pass
        page.refresh()
        return sum(page.block()["metrics"]["score"]["eu"]["count"])

    assert counted() == 4320
    compacted(half)
    page.add(half, half.summary())
    assert counted() == 4320
    assert all(b'"record":"compacted"' in path.read_bytes() for path in segments(half.directory))


def test_compact_command(clock: Clock) -> None:
    run = service(clock, every=20_000)
    dry = invoke("compact", "--dry-run")
    shown = dry.stdout.splitlines()[1].split()
    assert shown[:3] == [run.id, "service", "2"]
    assert "nothing was changed" in dry.stderr
    assert count() == 4320
    before = sum(path.stat().st_size for path in segments(run.directory))
    (told,) = json.loads(invoke("compact", run.id, "--json").stdout)
    assert (told["id"], told["segments"], told["before"]) == (run.id, 2, before)
    assert (f"{told['records']:,}", f"{told['after'] / 1e6:.2f}") == (shown[3], shown[5])
    assert told["after"] == sum(path.stat().st_size for path in segments(run.directory)) < before
    assert count() == 4320
    assert "nothing to compact" in invoke("compact").stderr
    assert invoke("compact", "--after", "1d", "--lines").exit_code == 0
    assert list(RecordedRun(run.directory).get_lines()) == []
    assert "log lines of the run were dropped by compaction" in invoke("logs", run.id).stderr
    assert RecordedRun(run.directory).summary().lines > 0


def test_alerts_are_not_replayed_over_compacted_records_and_it_says_so(half: RecordedRun) -> None:
    everywhere = invoke("alerts", "test", "--rule", "score < 1", "--json")
    assert everywhere.exit_code == 0
    (path, later) = segments(half.directory)
    removed = sum(json.loads(line).get("records", 0) for line in path.read_bytes().splitlines())
    assert f"{removed:,} records were compacted; rules are not replayed over them" in everywhere.stderr
    fired = [each["fired"] for each in json.loads(everywhere.stdout)]
    assert fired
    assert min(fired) >= json.loads(later.read_bytes().splitlines()[0])["time"]


def test_compact_command_takes_deployments_unless_a_run_is_named(clock: Clock) -> None:
    config = {"delivery": "off"}
    run = multitrack.start_run("shop", "training", backends=[], config=config)
    for _ in range(500):
        run.log_metric("accuracy", 0.5)
    run.end()
    assert "nothing to compact" in invoke("compact", "--after", "1d").stderr
    assert "was recorded without compact_after" in " ".join(invoke("compact", run.id).stderr.split())
    assert run.id in invoke("compact", run.id, "--after", "1d").stdout


def test_reading_compacted_runs_needs_the_extra_and_says_so(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    compacted(service(clock))
    for name in ("ddsketch", "ddsketch.ddsketch", "ddsketch.mapping", "ddsketch.store"):
        monkeypatch.setitem(sys.modules, name, None)
    assert invoke("monitor", "latency", "--stat", "count,mean").exit_code == 0
    done = invoke("monitor", "latency", "--every", "1h")
    assert done.exit_code == 2
    assert "compacted runs need ddsketch: in a checkout, pip install '.[compact]'" in " ".join(done.stderr.split())


def test_compact_command_says_what_waits_and_what_is_wrong(clock: Clock) -> None:
    run = service(clock, backends=["recording_backends:file"], every=60_000)
    done = invoke("compact")
    assert (done.exit_code, done.stdout) == (0, "")
    said = " ".join(done.stderr.split())
    assert (
        f"{run.id}: 2 old segments wait: not delivered to recording_backends:file" in said
        or "not delivered to file" in said
    )
    for wrong in (["--lines"], ["--after", "soon"], ["nobody"]):
        assert invoke("compact", *wrong).exit_code in (1, 2)
    assert "is not an age" in invoke("compact", "--after", "soon").stderr
