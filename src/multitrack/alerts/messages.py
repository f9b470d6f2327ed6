"""Describe the changes of alerts for notifiers and people."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from multitrack.alerts.configured import ConfiguredRule
from multitrack.alerts.rules import RUN
from multitrack.alerts.state import Notification, restored
from multitrack.hookspecs import Alert
from multitrack.reading.formatting import moment, value_text
from multitrack.security.terminal import excerpt, safe

#: Maximum characters of a name in a message.
_NAME: Final = 60


def alert_of(rule: ConfiguredRule, change: Notification, journal: Path) -> Alert:
    """The alert that a notifier receives.

    Args:
        rule: The rule of the config here.
        change: The change, whose names come from the journal.
        journal: The journal's directory.
    """
    value = restored(change.value)
    run, run_name = change.run or (None, None)
    return Alert(
        id=_id(rule, change), state="firing" if change.firing else "resolved", name=rule.name, rule=rule.rule.text,
        by=str(rule.rule.by), group=change.group, value=value, since=change.since, time=change.time,
        reason=change.reason, run=run, run_name=run_name, journal=str(journal), text=_text(rule, change, value),
    )  # fmt: skip


def _id(rule: ConfiguredRule, change: Notification) -> str:
    parts = (rule.rule.text, rule.where or "", change.group, str(change.since))
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


def _text(rule: ConfiguredRule, change: Notification, value: float | None) -> str:
    head = "FIRING" if change.firing else "resolved"
    rule_text = excerpt(rule.rule.text)
    named = excerpt(rule.name) if rule.name == rule.rule.text else f"{excerpt(rule.name)} ({rule_text})"
    where = place_of(rule, change.group, change.run)
    why = change.reason or ("" if value is None else f"value {value_text(value)}")
    since = "" if change.firing else f", was firing since {moment(change.since)}"
    return safe(f"{head}: {named}: {where}{', ' if why else ''}{why}, at {moment(change.time)}{since}")


def place_of(rule: ConfiguredRule, group: str, run: tuple[str, str] | None) -> str:
    """The group of an alert in words, with the run whose record changed it."""
    named = "" if run is None else f"run {excerpt(run[1], _NAME)} ({run[0]})"
    if rule.rule.by == RUN:
        return named or f"run {excerpt(group, _NAME)}"
    return f"{rule.rule.by} = {excerpt(group, _NAME)}{f', {named}' if named else ''}"
