"""Which segments are compacted, and when: old, closed, delivered ones of runs with a deployment."""

import json
import time
from pathlib import Path

import pytest

import multitrack
from compacted_runs import DAY, compacted, segments, service
from monitor_clock import Clock
from multitrack.alerts.configured import plan_alerts
from multitrack.alerts.monitor import Monitor
from multitrack.alerts.state import State, write_state
from multitrack.compaction.runs import compact_runs
from multitrack.config import load_config
from multitrack.errors import ConfigError
from multitrack.journal.manifest import Compaction, read_manifest
from multitrack.reading.opening import open_journal
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Compacted
from recording_backends import delivered

NOW = Compaction(1.0, ["metrics"])


def is_compacted(path: Path) -> bool:
    return b'"record":"compacted"' in path.read_bytes()


def test_only_what_is_old_enough(clock: Clock) -> None:
    now = time.time_ns() // 1_000_000
    clock.ms = now - 3 * DAY
    run = service(clock, days=3, every=20_000)
    found = segments(run.directory)
    assert len(found) >= 3
    assert list(compact_runs([run.directory], Compaction(3.5 * 86_400, ["metrics"]))) == []
    last = [_last(path) for path in found]
    (done,) = compact_runs([run.directory])  # as its config said: after a day
    later = time.time_ns() // 1_000_000
    compacted = [is_compacted(path) for path in found]
    assert 1 <= done.segments == sum(compacted) < len(found)
    for is_old, ended in zip(compacted, last, strict=True):
        assert ended <= later - DAY if is_old else ended > now - DAY


def _last(path: Path) -> int:
    return int(json.loads(path.read_bytes().splitlines()[-1])["time"])


def test_a_run_without_a_deployment_is_left_alone(clock: Clock) -> None:
    run = multitrack.start_run(config={"delivery": "off", "compact_after": "1s"}, backends=[])
    for _ in range(1000):
        clock.ms += 1000
        run.log_metric("accuracy", 0.5)
    run.end()
    assert run.directory is not None
    assert len(segments(run.directory)) == 1
    assert list(compact_runs([run.directory])) == []
    assert not is_compacted(segments(run.directory)[0])


@pytest.mark.usefixtures("trusted")
def test_records_wait_until_every_backend_has_them(clock: Clock) -> None:
    run = service(clock, backends=["recording_backends:file"], every=60_000)
    waiting = compacted(run)
    assert (waiting.segments, waiting.waiting) == (0, {"not delivered to file yet: run `multitrack sync`": 2})
    multitrack.sync()
    before = delivered(Path("delivered.jsonl"), "metric")
    assert compacted(run, "metrics", "lines").segments == 2
    assert not compacted_again(run)
    multitrack.sync()
    assert delivered(Path("delivered.jsonl"), "metric") == before
    assert run.lanes()["file"].stand_ins == []


def compacted_again(run: RecordedRun) -> bool:
    return any(True for _ in compact_runs([run.directory], NOW))


@pytest.mark.usefixtures("trusted")
def test_a_backend_that_is_added_later_gets_the_rest_and_says_what_is_missing(clock: Clock) -> None:
    run = service(clock, every=20_000)
    compacted(run)
    config = {"delivery": "off", "compact_after": "1d"}
    multitrack.start_run(run_id=run.id, backends=["recording_backends:file"], config=config).end()
    report = multitrack.sync()[run.id]
    assert report.complete
    assert report["file"].stand_ins == ["records that were compacted before they came here: none of them"]
    assert [line["record"]["step"] for line in delivered(Path("delivered.jsonl"), "metric")] == [
        point.step for point in RecordedRun(run.directory).get_metrics()["loss"]
    ]


def test_records_wait_until_alerts_were_evaluated_over_them(clock: Clock) -> None:
    run = service(clock, every=60_000)
    journal = run.directory.parent.parent
    write_state(journal, State(until=clock.ms - DAY))
    found = compacted(run)
    ((reason, count),) = found.waiting.items()
    assert reason.startswith("alerts are evaluated up to 20")
    assert "multitrack alerts check" in reason
    assert found.segments + count == 2
    assert count >= 1
    write_state(journal, State(until=clock.ms + 1, lookback=3_600_000))
    ((reason, waiting),) = compacted(run).waiting.items()
    assert reason.startswith("windows of alerts need its records until 20")
    assert waiting == 1
    write_state(journal, State(until=clock.ms + 3_600_001, lookback=3_600_000))
    assert compacted(run).segments == 1


def test_windows_of_alerts_come_to_the_same_result_in_a_new_process() -> None:
    """The rule needs values of its window that are old enough to be compacted."""
    settings = {
        "delivery": "off", "compact_after": "1s",
        "alerts": [{"when": "score:mean over 1h of 5 values < 0.9 by deployment"}],
    }  # fmt: skip
    run = multitrack.start_run(deployment="eu", backends=[], config=settings)
    for _ in range(300):
        run.log_metric("score", 1)
    time.sleep(2.1)
    run.log_metric("score", 1)  # begins a segment
    assert run.directory is not None
    assert len(segments(run.directory)) >= 2
    time.sleep(1.1)
    first = compacted(run)
    assert (first.segments, next(iter(first.waiting)).partition(" up to")[0]) == (0, "alerts are evaluated")

    def firing() -> int:
        plan = plan_alerts(load_config(settings))
        monitor = Monitor(run.directory.parent.parent, plan, print)
        monitor.look(last=True)
        monitor.lock.release()
        assert monitor.state is not None
        return len(monitor.state.firing)

    assert firing() == 0
    then = compacted(run)
    assert (then.segments, next(iter(then.waiting)).partition(" until")[0]) == (0, "windows of alerts need its records")
    for _ in range(6):
        run.log_metric("score", 0)
    assert firing() == 0  # a mean of 0.98
    run.end()


def test_a_held_segment_and_those_behind_it_are_left_alone(clock: Clock) -> None:
    settings = {"delivery": "off", "compact_after": "1d"}
    run = multitrack.start_run(deployment="eu", config=settings, backends=[])
    for _ in range(4000):
        clock.ms += 60_000
        run.log_metric("score", 1)
    assert run.directory is not None
    found = segments(run.directory)
    assert len(found) == 4
    (done,) = compact_runs([run.directory], NOW)
    assert (done.segments, done.waiting) == (3, {"a process still writes it": 1})
    assert [is_compacted(path) for path in found] == [True, True, True, False]
    assert RecordedRun(run.directory).summary().records == 4001
    run.end()


def test_a_wrong_setting_is_refused_at_the_call_and_names_its_place(tmp_path: Path) -> None:
    for wrong in ("soon", "0s", "11w1d", "600w"):
        (tmp_path / "multitrack.toml").write_text(f'compact_after = "{wrong}"\n')
        with pytest.raises(
            ConfigError, match=rf"multitrack\.toml: compact_after: '{wrong}' is not an age .*, or 'never'"
        ):
            multitrack.start_run(deployment="eu", backends=[])
    assert not (tmp_path / ".multitrack").exists()


def test_a_courier_compacts_while_the_run_goes_on(tmp_path: Path) -> None:
    damaged = tmp_path / ".multitrack" / "runs" / "20000101-000000-000-aaaaaa"  # the first, which no other waits for
    damaged.mkdir(parents=True)
    (damaged / "manifest.json").write_text("{")
    run = multitrack.start_run(deployment="eu", backends=[], config={"compact_after": "1s"})
    assert run.directory is not None
    assert read_manifest(run.directory).compact == NOW
    begun, count = time.monotonic(), 0
    while not any(map(is_compacted, segments(run.directory))):
        for _ in range(200):
            run.log_metric("score", 1)
        count += 200
        time.sleep(0.05)
        assert time.monotonic() - begun < 120
    run.end()
    recorded = open_journal().run(run.id)
    assert recorded.summary().records == count + 1
    removed = [record for record in recorded.records() if isinstance(record, Compacted)]
    assert sum(record.metrics["score"].count for record in removed if record.metrics) == sum(
        record.records for record in removed
    )
