"""Replay the rules of alerts over recorded runs: when each would have fired and been resolved."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from multitrack.alerts.arrival import Arrivals
from multitrack.alerts.configured import ConfiguredRule
from multitrack.alerts.evaluation import Change, Evaluation
from multitrack.alerts.monitor import lookback_of, names_of
from multitrack.records import Compacted

#: Number of records between reports of progress.
_REPORT_EVERY = 20_000


class Episode(msgspec.Struct, frozen=True):
    """An alert from its firing to its resolution.

    Attributes:
        rule: The rule's number.
        group: The group.
        fired: Time at which it fired (ms).
        value: The value that made it fire.
        run: Id and name of the run that made it fire.
        resolved: Time at which it was resolved; None if it fires still.
        value_then: The value that resolved it.
        reason: The reason of a resolution without a value.
    """

    rule: int
    group: str
    fired: int
    value: int | float | None
    run: tuple[str, str] | None
    resolved: int | None = None
    value_then: int | float | None = None
    reason: str | None = None


def replay(
    journal: Path,
    rules: list[ConfiguredRule],
    since: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    missing: Callable[[int], None] = lambda _: None,
) -> list[Episode]:
    """Evaluate rules over all records of a journal, as a courier would have done when they arrived.

    Args:
        journal: The journal's directory.
        rules: The rules.
        since: Only records from this time on (ms); earlier ones fill windows.
        progress: Called now and then with the number of records read.
        missing: Called with the number of records that were compacted, over which no rule can be evaluated.

    Returns:
        The alerts, by the time at which they fired.
    """
    begin = since or 0
    arrivals = Arrivals(journal, begin - lookback_of(rules), names_of(rules))
    arrivals.find_runs()
    evaluation = Evaluation([(rule.rule, rule.matches) for rule in rules])
    changes: list[Change] = []
    compacted = 0
    now = time.time_ns() // 1_000_000 + 1
    for count, (moment, run, record) in enumerate(arrivals.read(now), 1):
        changes += evaluation.feed(moment, run, record, silently=moment < begin)
        if type(record) is Compacted and moment >= begin:
            compacted += record.records
        if count % _REPORT_EVERY == 0:
            progress(count)
    changes += evaluation.pass_time(now)
    if compacted:
        missing(compacted)
    return _episodes(changes)


def _episodes(changes: list[Change]) -> list[Episode]:
    found: list[Episode] = []
    last: dict[tuple[int, str], int] = {}
    for change in changes:
        key = change.rule, change.group
        if change.firing:
            last[key] = len(found)
            found.append(Episode(change.rule, change.group, change.time, change.value, change.run))
        else:
            found[last[key]] = msgspec.structs.replace(
                found[last[key]], resolved=change.time, value_then=change.value, reason=change.reason
            )
    return sorted(found, key=lambda episode: episode.fired)
