"""Evaluate the rules of alerts over the records of all runs: which alerts fire, and which are resolved.

A rule has a condition for each of its groups. An alert fires at the record with which the condition begins to hold, and
is resolved at the one with which it no longer does. What a condition says depends only on the records of its window, so
a courier that starts anew comes to the same result from the records on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from multitrack.alerts.conditions import Condition, Outcome, condition_of
from multitrack.alerts.rules import RUN, Rule
from multitrack.alerts.watched_run import WatchedRun
from multitrack.query.filters import Filter
from multitrack.records import End, Record

Number = int | float


class Firing(msgspec.Struct, frozen=True):
    """An alert that is firing.

    Attributes:
        since: Time of the record that made it fire (ms).
        value: The value that made it fire.
        run: The id and the name of the run of that record.
    """

    since: int
    value: Number | None = None
    run: tuple[str, str] | None = None


class Change(NamedTuple):
    """An alert that begins to fire or is resolved.

    Attributes:
        rule: The rule's number.
        group: The group.
        firing: True if it fires, False if it is resolved.
        time: Time of the change (ms).
        value: The value that made the change.
        run: The id and the name of the run whose record made the change.
        since: Time at which the alert began to fire.
        reason: The reason of a resolution without a value.
    """

    rule: int
    group: str
    firing: bool
    time: int
    value: Number | None
    run: tuple[str, str] | None
    since: int
    reason: str | None = None


class _Group:
    """A rule's condition in one group, and its last outcome."""

    def __init__(self, rule: Rule) -> None:
        self.condition: Condition = condition_of(rule)
        self.outcome: Outcome | None = None
        self.run: tuple[str, str] | None = None


class Evaluation:
    """The state of all rules.

    Args:
        rules: The rules, with the filter of the runs that each applies to.

    Attributes:
        firing: The alerts that fire, by the rule's number and the group.
    """

    def __init__(self, rules: Sequence[tuple[Rule, Filter | None]]) -> None:
        self._rules = [(number, rule, where) for number, (rule, where) in enumerate(rules)]
        self._groups: dict[tuple[int, str], _Group] = {}
        self.firing: dict[tuple[int, str], Firing] = {}

    def feed(self, time: int, run: WatchedRun, record: Record, *, silently: bool = False) -> Iterator[Change]:
        """Evaluate a record.

        Args:
            time: Its time (ms).
            run: Its run.
            record: The record.
            silently: True for a record that was evaluated before: it only fills windows.
        """
        named = (run.id, run.name)
        for number, rule, where in self._rules:
            name = run.group(number, rule.by, where)
            if name is None or (run.ended and rule.by == RUN and type(record) is not End):
                continue  # the latter: a forked process outlives the run
            key = number, name
            if type(record) is End and rule.by == RUN:
                ended = self._groups.pop(key, None)
                if not silently:
                    if ended is not None and (outcome := ended.condition.pass_time(time)) is not None:
                        yield from self._change(key, outcome, named)
                    yield from self._resolve(key, record.time, f"the run is {record.status}", named)
                continue
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(rule)
            for outcome in group.condition.feed(time, record):
                group.outcome, group.run = outcome, named
                if not silently:
                    yield from self._change(key, outcome, named)

    def pass_time(self, now: int) -> Iterator[Change]:
        """Evaluate that no further record came until ``now`` (ms), and forget groups that no longer matter."""
        for key, group in list(self._groups.items()):
            outcome = group.condition.pass_time(now)
            if outcome is not None:
                group.outcome = outcome
                yield from self._change(key, outcome, group.run)
            elif not (group.outcome and group.outcome.holds) and key not in self.firing and group.condition.spent(now):
                del self._groups[key]

    def settle(self, runs: Collection[str], now: int) -> Iterator[Change]:
        """Bring the alerts that were read from the disk in line with the records.

        A rule may be new, and its condition hold already: then it fires, unless that was before its window and the run
        has ended. A run may have been deleted while its alert fired.

        Args:
            runs: Ids of the runs that have not ended.
            now: The present (ms).
        """
        for key, group in list(self._groups.items()):
            outcome = group.outcome
            if outcome is None:
                continue
            current = group.run is not None and group.run[0] in runs
            if not outcome.holds or current or outcome.time + self._rules[key[0]][1].lookback >= now:
                yield from self._change(key, outcome, group.run)
        for key, firing in list(self.firing.items()):
            if self._rules[key[0]][1].by == RUN and key[1] not in runs:
                yield from self._resolve(key, firing.since, "the run has ended or was deleted", firing.run)

    def _change(self, key: tuple[int, str], outcome: Outcome, run: tuple[str, str] | None) -> Iterator[Change]:
        before = self.firing.get(key)
        if outcome.holds == (before is not None):
            return
        if before is None:
            self.firing[key] = Firing(outcome.time, outcome.value, run)
            yield Change(*key, True, outcome.time, outcome.value, run, outcome.time)
        else:
            del self.firing[key]
            yield Change(*key, False, outcome.time, outcome.value, run, before.since)

    def _resolve(self, key: tuple[int, str], time: int, reason: str, run: tuple[str, str] | None) -> Iterator[Change]:
        if (before := self.firing.pop(key, None)) is not None:
            yield Change(*key, False, max(time, before.since), None, run, before.since, reason)
