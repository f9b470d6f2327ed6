"""Evaluation as records arrive: it tells what a replay finds, once, also if its process dies at any moment."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerting import BEGIN, Told, WrittenRun, at, episodes, minutes, plan, told
from multitrack.alerts import monitor as module
from multitrack.alerts.configured import Plan
from multitrack.alerts.monitor import Monitor
from multitrack.alerts.state import State, read_state, write_state
from multitrack.errors import JournalError

RULES = (
    "x > 5", "nan", "x > 3 x best", "no record for 7min", "x:mean over 20min > 4 by stage",
    "x:mean over 20min of 4 values > 4 by stage", "y:max over 5min > 8 by stage", {"when": "no record for 7min by stage", "where": "tags.stage = a"},
)  # fmt: skip


class Clock:
    minute = 0.0

    def now(self) -> int:
        return at(self.minute)


class Died(BaseException):
    """The process is killed here."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "_now", clock.now)
    return clock


@pytest.fixture
def notifier() -> Iterator[Told]:
    with told() as notifier:
        yield notifier


def planned(*texts: Any) -> Plan:
    return msgspec.structs.replace(plan(*texts, told={}), start=BEGIN)


def watch(journal: Path, *texts: Any) -> Monitor:
    return Monitor(journal, planned(*texts), pytest.fail)


def looked(monitor: Monitor, clock: Clock, minute: float) -> None:
    clock.minute = minute
    assert monitor.look()


def by_rule(notifier: Told) -> list[tuple[str, str, str, float | None]]:
    return [(one.rule, one.group, one.state, minutes(one.time)) for one in notifier.alerts]


def replayed(journal: Path, until: float) -> Counter[Any]:
    """What a replay finds, as notifications, up to a minute."""
    found: list[Any] = []
    for rule in RULES:
        text = rule if isinstance(rule, str) else rule["when"]
        for group, fired, resolved, _ in episodes(journal, rule):
            found += [(text, group, "firing", fired)] if fired <= until else []
            found += [(text, group, "resolved", resolved)] if resolved is not None and resolved <= until else []
    return Counter(found)


def story(chance: random.Random, journal: Path, times: int = 40) -> Iterator[float]:
    """Runs that come, log and go; yields the minute after each step."""
    runs: list[WrittenRun] = []
    minute = 0.0
    for number in range(times):
        minute += chance.choice([0.5, 1, 2, 9])
        what = chance.random()
        if what < 0.2 or not runs:
            runs.append(WrittenRun(journal, f"run{number:02}", minute, stage=chance.choice("ab")))
        elif what < 0.3:
            runs.pop(chance.randrange(len(runs))).end(minute)
        else:
            for offset in (0, 0.1):
                value = chance.choice([1, 2, 3, 6, 9, float("nan")])
                chance.choice(runs).log(minute + offset, **{chance.choice("xy"): value})
        yield minute + 0.2


@pytest.mark.parametrize("seed", range(8))
def test_what_is_told_as_records_arrive_is_what_a_replay_finds(
    seed: int, tmp_path: Path, clock: Clock, notifier: Told
) -> None:
    chance = random.Random(seed)
    monitor = watch(tmp_path, *RULES)
    for minute in story(chance, tmp_path):
        looked(monitor, clock, minute)
        if chance.random() < 0.3:  # another process goes on, from what is on the disk
            monitor.lock.release()
            monitor = watch(tmp_path, *RULES)
    assert Counter(by_rule(notifier)) == replayed(tmp_path, clock.minute)
    assert len(notifier.alerts) > 10


def test_another_process_counts_on_the_values_that_were_fine(
    tmp_path: Path, clock: Clock, notifier: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four in a row resolve. Three were evaluated by the first process, in windows that reach back further."""
    monkeypatch.setattr(module, "_SAVE_EVERY", 0.0)
    rule = "x:mean over 20min of 4 values > 4 by stage"
    monitor = watch(tmp_path, rule)
    for minute, value in zip(range(0, 32, 4), [9, 9, 9, 9, -99, 0, 0, 0], strict=True):
        run = WrittenRun(tmp_path, f"run{minute:02}", minute, stage="s")
        run.log(minute, x=value)
        run.end(minute)
        os.utime(run.directory / "000001.jsonl", (at(minute) / 1000, at(minute) / 1000))
        if minute == 28:
            monitor.lock.release()
            monitor = watch(tmp_path, rule)
        looked(monitor, clock, minute + 1)
    assert by_rule(notifier) == [(rule, "s", "firing", 12), (rule, "s", "resolved", 28)]


@pytest.mark.long("0", "3", "6")
@pytest.mark.parametrize("seed", range(8))
def test_a_process_that_dies_at_any_moment_tells_everything_and_repeats_only_what_it_was_telling(
    seed: int, tmp_path: Path, clock: Clock, notifier: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, repeated = random.Random(seed), []

    def dies(journal: Path, state: State) -> None:
        before = chance.random() < 0.15
        sending = read_state(journal)
        if before:
            if sending and len(sending.unsent) > len(state.unsent):  # told, and not yet noted
                repeated.append(notifier.alerts[-1])
            raise Died
        write_state(journal, state)
        if chance.random() < 0.15:
            raise Died

    monkeypatch.setattr(module, "write_state", dies)
    monitor = watch(tmp_path, *RULES)
    for minute in [*story(chance, tmp_path), 300.0]:
        clock.minute = minute
        while True:
            try:
                monitor.look()
                break
            except Died:
                monitor.lock.release()
                monitor = watch(tmp_path, *RULES)
    twice = Counter(by_rule(notifier)) - Counter(
        (one.rule, one.group, one.state, minutes(one.time)) for one in repeated
    )
    assert twice == replayed(tmp_path, 300)
    assert len(repeated) > 1
    ids = Counter((one.id, one.state) for one in notifier.alerts)
    assert sum(ids.values()) - len(ids) == len(repeated)  # a repetition has the same id


def test_one_process_at_a_time_evaluates_and_the_next_takes_over(tmp_path: Path, clock: Clock, notifier: Told) -> None:
    run = WrittenRun(tmp_path, "a")
    first, second = watch(tmp_path, "x > 5"), watch(tmp_path, "x > 5")
    looked(first, clock, 1)
    run.log(2, x=9)
    clock.minute = 3
    assert not second.look()
    assert second.lock.holder is not None
    first.lock.release()
    looked(second, clock, 4)
    assert by_rule(notifier) == [("x > 5", "a", "firing", 2)]


def test_a_new_rule_looks_at_the_present(tmp_path: Path, clock: Clock, notifier: Told) -> None:
    one, two = WrittenRun(tmp_path, "one", stage="a"), WrittenRun(tmp_path, "two", stage="b")
    for run, values in ((one, (9, 1)), (two, (1, 9))):
        for minute, value in enumerate(values):
            run.log(minute, x=value)
    clock.minute = 5
    write_state(tmp_path, State(at(5)))
    assert watch(tmp_path, "x > 5 by stage").look()
    assert by_rule(notifier) == [("x > 5 by stage", "b", "firing", 1)]


def test_the_alert_of_a_rule_that_is_gone_or_of_a_deleted_run_is_dropped(
    tmp_path: Path, clock: Clock, notifier: Told
) -> None:
    run = WrittenRun(tmp_path, "a")
    run.log(1, x=9)
    monitor = watch(tmp_path, "x > 5", "x > 6")
    looked(monitor, clock, 2)
    monitor.lock.release()
    state = read_state(tmp_path)
    assert state is not None
    assert [one.rule for one in state.firing] == ["x > 5", "x > 6"]
    for path in run.directory.iterdir():
        path.unlink()
    run.directory.rmdir()
    looked(watch(tmp_path, "x > 5"), clock, 3)
    assert by_rule(notifier)[2:] == [("x > 5", "a", "resolved", 1)]
    assert notifier.alerts[-1].reason == "the run has ended or was deleted"
    assert (read_state(tmp_path) or state).firing == []


def test_a_run_that_is_resumed_goes_on(
    tmp_path: Path, clock: Clock, notifier: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIND_EVERY", 0.0)
    run = WrittenRun(tmp_path, "a", stage="s")
    monitor = watch(tmp_path, "x:count over 1h > 2 by stage", "nan")
    run.log(1, x=1)
    run.end(2)
    looked(monitor, clock, 3)
    run.resume(4)
    run.log(5, x=float("nan"))
    looked(monitor, clock, 6)
    assert by_rule(notifier) == [("nan", "a", "firing", 5)]
    run.log(7, x=1)
    looked(monitor, clock, 8)
    assert sorted(one[0] for one in by_rule(notifier)[1:]) == ["nan", "x:count over 1h > 2 by stage"]


def test_processes_that_a_run_has_forked_are_evaluated_while_it_goes_on(
    tmp_path: Path, clock: Clock, notifier: Told
) -> None:
    """A service with workers: each writes a segment of its own, beside the one of the process that forked them."""
    run = WrittenRun(tmp_path, "a", deployment="eu")
    monitor = watch(tmp_path, "x:mean over 1h < 5 by deployment", "no record for 7min")
    with run.written():
        run.log(1, x=8)
        looked(monitor, clock, 2)
        run.resume(3, fork=True)
        run.log(4, x=1)
        run.log(6, x=9)
        looked(monitor, clock, 7)
        run.log(8, x=9)
        looked(monitor, clock, 9)
        assert by_rule(notifier) == [
            ("x:mean over 1h < 5 by deployment", "eu", "firing", 4), ("x:mean over 1h < 5 by deployment", "eu", "resolved", 6),
        ]  # fmt: skip


def test_an_old_run_that_is_resumed_does_not_tell_its_history(
    tmp_path: Path, clock: Clock, notifier: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIND_EVERY", 0.0)
    run = WrittenRun(tmp_path, "a", stage="s")
    run.log(1, x=9)
    run.log(2, x=1)
    run.end(3)
    os.utime(run.directory / "000001.jsonl", (at(3) / 1000, at(3) / 1000))
    write_state(tmp_path, State(at(100)))
    monitor = watch(tmp_path, "x > 5 by stage", "x > 3 x best")
    looked(monitor, clock, 101)
    run.resume(102)
    run.log(103, x=7)
    looked(monitor, clock, 104)
    assert by_rule(notifier) == [("x > 5 by stage", "s", "firing", 103)]  # of the stage that it had before


def test_records_that_are_on_their_way_wait(tmp_path: Path, clock: Clock, notifier: Told) -> None:
    """A run's record is older than another's that was read before: the order is that of their times."""
    one, two = WrittenRun(tmp_path, "one", stage="s"), WrittenRun(tmp_path, "two", stage="s")
    monitor = watch(tmp_path, "x > 5 by stage")
    two.log(1.001, x=1)
    looked(monitor, clock, 1.002)
    one.log(1, x=9)
    looked(monitor, clock, 2)
    assert [state for _, _, state, _ in by_rule(notifier)] == ["firing", "resolved"]


def test_an_alert_that_changes_often_between_two_looks_is_told_once(
    tmp_path: Path, clock: Clock, notifier: Told
) -> None:
    run = WrittenRun(tmp_path, "a")
    monitor = watch(tmp_path, "x > 5")
    for minute in range(100):
        run.log(minute, x=9 * (minute % 2))
    looked(monitor, clock, 100)
    assert by_rule(notifier) == [("x > 5", "a", "resolved", 98), ("x > 5", "a", "firing", 99)]


def test_a_damaged_state_is_named_with_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text('{"until": "x"}')
    with pytest.raises(JournalError, match=r"alerts\.json is damaged .*: remove it, and alerts begin anew"):
        read_state(tmp_path)
    (tmp_path / "alerts.json").unlink()
    (tmp_path / "alerts.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError, match=r"cannot read .*alerts\.json"):
        read_state(tmp_path)


def test_what_only_the_state_names_is_sent_nowhere(tmp_path: Path, clock: Clock, notifier: Told) -> None:
    """A journal from elsewhere has notifications of rules and for notifiers that the config here does not have."""
    from multitrack.alerts.state import Notification

    ours = Notification("told", "x > 5", "a", True, at(0), at(0))
    other_rule = Notification("told", "x > 1", "a", True, at(0), at(0))
    other_notifier = Notification("command", "x > 5", "a", True, at(0), at(0))
    write_state(tmp_path, State(at(0), unsent=[other_rule, other_notifier, ours]))
    looked(watch(tmp_path, "x > 5"), clock, 1)
    assert by_rule(notifier) == [("x > 5", "a", "firing", 0)]
    assert (read_state(tmp_path) or State(0)).unsent == []
