"""Evaluate the alerts of a journal as its records arrive, and notify.

One process evaluates a journal at a time, over the runs of all processes; another one takes over when it is gone. Each
look feeds the records that have arrived, saves which alerts fire and which notifications are to be sent, and then sends
them. A process that is killed before it saves comes to the same result when it is started anew, from the same records.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from multitrack.alerts.arrival import Arrivals
from multitrack.alerts.configured import ConfiguredRule, Plan, ready_rules
from multitrack.alerts.evaluation import Change, Evaluation, Firing
from multitrack.alerts.sending import Sender
from multitrack.alerts.state import State, StoredFiring, read_state, restored, state_lock, stored, write_state

#: Milliseconds that a record may take from its time until it is on the disk. Younger ones wait for the next look, so
#: that the records of several processes are evaluated in the order of their times.
ON_ITS_WAY: Final = 200
#: Seconds between looks for runs that other processes have resumed.
_FIND_EVERY: Final = 5.0
#: Seconds after which the time of the evaluation is saved even if nothing changed.
_SAVE_EVERY: Final = 30.0


class Monitor:
    """Evaluates the alerts of one journal; used by one thread.

    Args:
        journal: The journal's directory.
        plan: The checked alerts.
        notice: Called with a sentence for the user.

    Attributes:
        plan: The checked alerts.
        lock: The right to evaluate this journal.
        rules: The rules.
        state: The state; None before the first look.
    """

    def __init__(self, journal: Path, plan: Plan, notice: Callable[[str], None]) -> None:
        self._journal = journal
        self.plan = plan
        self.lock = state_lock(journal)
        self.rules = ready_rules(plan.rules)
        self._sender = Sender(journal, self.rules, plan.notifiers, notice)
        self._evaluation = Evaluation([(rule.rule, rule.matches) for rule in self.rules])
        self._arrivals: Arrivals | None = None
        self.state: State | None = None
        self._since = 0
        self._next_find = 0.0
        self._next_save = 0.0

    def look(self, *, last: bool = False) -> bool:
        """Evaluate the records that have arrived, and notify.

        Args:
            last: True to wait for no record that may be on its way, and for no pause between attempts.

        Returns:
            False if another process evaluates this journal.

        Raises:
            JournalError: If the state cannot be read.
            OSError: If the state cannot be written; the next look comes to the same result.
        """
        if not self.lock.take():
            return False
        begun = self._arrivals is None
        arrivals, state = self._begin() if self._arrivals is None else (self._arrivals, self.state)
        assert state is not None  # noqa: S101 - set with the arrivals
        arrivals.find_runs()
        if last or time.monotonic() >= self._next_find:
            arrivals.find_resumed()
            self._next_find = time.monotonic() + _FIND_EVERY
        until = _now() + 1 if last else _now() - ON_ITS_WAY
        changes = self._read(arrivals, until)
        if begun:
            changes += self._evaluation.settle(arrivals.open_runs(), until)
        state.until = max(until, state.until)
        if changes:
            self._sender.note(state, changes)
            state.firing = self._stored()
        if changes or begun or last or time.monotonic() >= self._next_save:
            self._save()
        if state.unsent:
            self._sender.send(state, self._save, hurry=last)
        return True

    def add(self, directory: Path) -> None:
        """Note a run that this process delivers, so that it is found at once."""
        if self._arrivals is not None:
            self._arrivals.add(directory)

    def _begin(self) -> tuple[Arrivals, State]:
        state = self.state = read_state(self._journal) or State(self.plan.start)
        for one in state.firing:
            number = self._sender.number_of(one.rule, one.where)
            if number is not None:  # else the config no longer has the rule
                self._evaluation.firing[number, one.group] = Firing(one.since, restored(one.value), one.run)
        state.firing, state.lookback = self._stored(), lookback_of(self.rules)
        self._since = state.until  # what is older was evaluated before, if not by this process
        arrivals = self._arrivals = Arrivals(
            self._journal, state.until - lookback_of(self.rules), names_of(self.rules),
            {group for number, group in self._evaluation.firing},
        )  # fmt: skip
        return arrivals, state

    def _read(self, arrivals: Arrivals, until: int) -> list[Change]:
        changes: list[Change] = []
        for moment, run, record in arrivals.read(until):
            changes += self._evaluation.feed(moment, run, record, silently=moment < self._since)
        changes += self._evaluation.pass_time(until)
        return changes

    def _stored(self) -> list[StoredFiring]:
        return [
            StoredFiring(
                self.rules[number].rule.text, group, firing.since, self.rules[number].where, stored(firing.value),
                firing.run,
            )
            for (number, group), firing in self._evaluation.firing.items()
        ]  # fmt: skip

    def _save(self) -> None:
        self._next_save = 0.0  # if this fails, the next look tries again
        if self.state is not None:
            write_state(self._journal, self.state)
        self._next_save = time.monotonic() + _SAVE_EVERY


def lookback_of(rules: list[ConfiguredRule]) -> int:
    """Milliseconds of earlier records that the rules depend on."""
    return max((rule.rule.lookback for rule in rules), default=0)


def names_of(rules: list[ConfiguredRule]) -> frozenset[tuple[str, str]]:
    """The tags and params that the rules use."""
    return frozenset(
        (column.group, column.name)
        for rule in rules
        for column in (rule.rule.by, *rule.columns)
        if column.group != "metadata"
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
