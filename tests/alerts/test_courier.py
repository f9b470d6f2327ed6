"""Alerts in couriers: a process, a thread, and none; and processes that are killed."""

import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import multitrack
from alert_servers import http_server
from alerting import told
from multitrack.alerts.configured import plan_alerts
from multitrack.alerts.monitor import Monitor
from multitrack.alerts.state import read_state
from multitrack.cli import main
from multitrack.config import load_config
from processes import couriers, script, wait_until

RULES: list[dict[str, Any]] = [{"when": "nan"}, {"when": "x > 5"}]


def test_a_courier_process_tells_without_any_backend(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "config = {'interval': 0.05, 'alerts': [{'when': 'nan'}, {'when': 'x > 5'}]}\n"
        "with multitrack.start_run(config=config) as run:\n"
        "    run.log_metric('x', 9.0, step=0); run.log_metric('x', 1.0, step=1); run.log_metric('y', float('nan'))\n"
        "print('multitrack.alerts.evaluation' in sys.modules)\n",
    )
    out, errors = training.communicate(timeout=60)
    assert (training.returncode, out) == (0, "False\n")
    wait_until(lambda: couriers() == [])
    log = "".join(path.read_text() for path in (tmp_path / ".multitrack").glob("courier-*.log"))
    for text in ("FIRING: x > 5: run ", "resolved: x > 5: run ", "FIRING: nan: run ", "resolved: nan: run "):
        assert log.count(f"multitrack: alert: {text}") == 1, log
    assert log.count(", the run is finished, at ") == 1
    assert "FIRING: x > 5" in errors  # also where the training's user sees it


def test_what_comes_before_the_first_look_of_a_courier_counts(tmp_path: Path) -> None:
    """The start is on the disk before the courier is there; it may die before it looks."""
    training = script(
        tmp_path,
        "from multitrack.alerts.state import note_start, read_state\n"
        "run = multitrack.start_run(config={'alerts': [{'when': 'x > 5'}]})\n"
        "journal = run.directory.parent.parent\n"
        "noted = read_state(journal)\n"
        "note_start(journal, noted.until + 1)\n"  # as a later run does
        "print(noted.until, read_state(journal).until == noted.until + 1, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    noted, again = training.communicate(timeout=60)[0].split()
    (run,) = multitrack.open_journal().runs()
    assert int(noted) <= run.manifest.created
    assert again == "False"
    wait_until(lambda: couriers() == [])


def test_a_run_without_rules_imports_nothing_of_alerts(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "with multitrack.start_run(backends=['recording_backends:file'], config={'delivery': 'thread'}) as run:\n"
        "    run.log_metric('x', 9.0)\n"
        "print([name for name in sys.modules if name.startswith('multitrack.alerts')])\n",
        MULTITRACK_BACKENDS="recording_backends:file",
    )
    assert training.communicate(timeout=60)[0] == "[]\n"
    assert not (tmp_path / ".multitrack" / "alerts.json").exists()


def test_the_thread_tells_an_object_of_this_process_and_at_last_at_its_stop() -> None:
    from multitrack.recording import couriers as hosts

    with told() as notifier:
        config = {"delivery": "thread", "interval": 30, "alerts": RULES, "notify": {"told": {}}}
        with multitrack.start_run(config=config) as run:
            run.log_metric("x", 9.0)
        hosts.stop_couriers()
        assert [(one.state, one.rule, one.group) for one in notifier.alerts] == [
            ("firing", "x > 5", run.id), ("resolved", "x > 5", run.id),
        ]  # fmt: skip


def test_nothing_is_evaluated_without_delivery() -> None:
    with told() as notifier:
        config = {"delivery": "off", "alerts": RULES, "notify": {"told": {}}}
        with multitrack.start_run(config=config) as run:
            run.log_metric("x", 9.0)
        assert notifier.alerts == []
        state = read_state(Path(".multitrack"))
        assert state is not None  # but noted, from when on records count: a later check evaluates them
        assert (state.firing, state.until <= run.manifest.created) == ([], True)
        monitor = Monitor(Path(".multitrack").absolute(), plan_alerts(load_config(config)), print)
        monitor.look(last=True)
        monitor.lock.release()
        assert [alert.state for alert in notifier.alerts] == ["firing", "resolved"]


def test_trouble_of_alerts_reaches_neither_training_nor_lanes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recording_backends import delivered

    monkeypatch.setenv("MULTITRACK_BACKENDS", "recording_backends:file")
    (tmp_path / ".multitrack").mkdir()
    (tmp_path / ".multitrack" / "alerts.json").write_text("{")
    config = {"delivery": "thread", "interval": 0.02, "alerts": RULES}
    with multitrack.start_run(backends=["recording_backends:file"], config=config) as run:
        run.log_metric("x", 9.0)
        assert run.flush(timeout=20)["file"].pending == 0
        wait_until(lambda: any("alerts.json is damaged" in message for message in caplog.messages))
        (tmp_path / ".multitrack" / "alerts.json").unlink()
        wait_until(lambda: any("FIRING: x > 5" in message for message in caplog.messages))
    assert len(delivered(tmp_path / "delivered.jsonl", "metric")) == 1
    assert sum("alerts.json is damaged" in message for message in caplog.messages) == 1


TRAINING = """\
config = {'interval': 0.02, 'alerts': [{'when': 'x > 5'}], 'notify': {'webhook': {'url': URL}}}
run = multitrack.start_run(run_id='run', config=config)
for step in range(240):
    run.log_metric('x', 9.0 * (step // 40 % 2), step=step)
    time.sleep(0.005)
run.end()
"""


@pytest.mark.slow
def test_alerts_are_told_once_though_couriers_and_trainings_are_killed(tmp_path: Path) -> None:
    """Everything that a replay finds is told, nothing else is, and at most one message a kill comes twice."""
    chance = random.Random(5)
    kills = 0
    with http_server() as posted:
        Path("multitrack.toml").write_text(f'[[alerts]]\nwhen = "x > 5"\n[notify.webhook]\nurl = "{posted.url}"\n')
        for turn in range(5):
            training = script(tmp_path, f"URL = {posted.url!r}\n{TRAINING}")
            wait_until(couriers)
            time.sleep(chance.uniform(0, 1.5))
            kills += killed(couriers())
            if turn % 2:
                training.kill()
            training.communicate(timeout=120)
            time.sleep(chance.uniform(0, 0.5))
            kills += killed(couriers())
        checked = CliRunner().invoke(main, ["alerts", "check"])
        assert checked.exit_code in (0, 1), checked.output
        tested = json.loads(CliRunner().invoke(main, ["alerts", "test", "--json"]).stdout)
    expected = {("firing", one["fired"]) for one in tested}
    expected |= {("resolved", one["resolved"]) for one in tested if one["resolved"] is not None}
    got = Counter((body["state"], body["time"]) for _, _, body in posted.requests)
    assert len({(body["id"], body["state"]) for _, _, body in posted.requests}) == len(got)
    assert set(got) <= expected
    assert sum(got.values()) - len(got) <= kills
    assert len(got) > 3  # of several changes between two looks, the last are told
    state = read_state(tmp_path / ".multitrack")
    assert state is not None
    assert len(state.firing) == sum(one["resolved"] is None for one in tested)


def killed(pids: list[int]) -> int:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def test_rules_that_change_in_a_process_go_on_where_the_last_ones_were() -> None:
    from multitrack.recording import couriers as hosts

    with told() as notifier:
        config: dict[str, Any] = {"delivery": "thread", "interval": 0.02, "notify": {"told": {}}}
        first = multitrack.start_run(config={**config, "alerts": RULES})
        first.log_metric("x", 9.0)
        wait_until(lambda: len(notifier.alerts) == 1)
        second = multitrack.start_run(config={**config, "alerts": [*RULES, {"when": "y > 5"}]})
        second.log_metric("y", 9.0)
        first.log_metric("x", 8.0)
        wait_until(lambda: len(notifier.alerts) == 2)
        first.end()
        second.end()
        hosts.stop_couriers()
    assert [(one.state, one.rule, one.group) for one in notifier.alerts[:2]] == [
        ("firing", "x > 5", first.id), ("firing", "y > 5", second.id),
    ]  # fmt: skip
    assert sorted(one.rule for one in notifier.alerts[2:]) == ["x > 5", "y > 5"]
