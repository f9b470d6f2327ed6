"""Send notifications: one after the other, a few times each, and each crossed out in the state once it was sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack import plugins
from multitrack._text import error_text
from multitrack.alerts.configured import ConfiguredRule
from multitrack.alerts.evaluation import Change
from multitrack.alerts.messages import alert_of
from multitrack.alerts.state import Notification, State, stored
from multitrack.environment import warned
from multitrack.errors import MultitrackError
from multitrack.journal.prepared import prepared
from multitrack.security.redaction import Redactor

#: Maximum attempts to send a notification.
TRIES: Final = 5
#: Seconds until the second attempt; each further pause is twice as long.
FIRST_PAUSE: Final = 1.0
#: Maximum number of notifications that wait to be sent: of more, the oldest are dropped.
MOST: Final = 1000


class Sender:
    """Sends the notifications of one journal.

    Args:
        journal: The journal's directory.
        rules: The rules of the config.
        notifiers: The plugin and the options of each notifier, by name.
        notice: Called with a sentence for the user.
    """

    def __init__(
        self,
        journal: Path,
        rules: list[ConfiguredRule],
        notifiers: Mapping[str, tuple[str, dict[str, Any]]],
        notice: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._rules = rules
        self._numbers = {(rule.rule.text, rule.where): number for number, rule in enumerate(rules)}
        self._notifiers = notifiers
        self._notice = notice
        self._loaded: dict[str, tuple[plugins.Notifier, msgspec.Struct]] = {}
        self._due: dict[int, float] = {}  # by the notification's identity
        self._redactor = Redactor()

    def number_of(self, rule: str, where: str | None) -> int | None:
        """The number of the rule of the config that the state names; None if the config no longer has it."""
        return self._numbers.get((rule, where))

    def note(self, state: State, changes: list[Change]) -> None:
        """Add the notifications of changes to the state.

        An alert that changed often in the meantime counts once: with its last firing and resolution, in their order.
        """
        last: dict[tuple[int, str], list[Change]] = {}
        for change in changes:
            last.setdefault((change.rule, change.group), []).append(change)
        kept = sorted((change for some in last.values() for change in some[-2:]), key=lambda change: change.time)
        for change in kept:
            rule = self._rules[change.rule]
            state.unsent += [
                Notification(
                    name, rule.rule.text, change.group, change.firing, change.time, change.since, rule.where,
                    stored(change.value), change.run, change.reason,
                )
                for name in rule.notify
            ]  # fmt: skip
        if (dropped := len(state.unsent) - MOST) > 0:
            del state.unsent[:dropped]
            self._notice(f"alerts: {dropped} notifications are dropped: more than {MOST} wait to be sent")

    def send(self, state: State, save: Callable[[], None], *, hurry: bool = False) -> None:
        """Send what is due, and save the state after each.

        Args:
            state: The state with the notifications.
            save: Saves the state.
            hurry: True to send also what waits for a further attempt.
        """
        refused: set[str] = set()  # the order of a notifier's messages matters
        for one in list(state.unsent):
            if one.notifier in refused:
                continue
            if not hurry and self._due.get(id(one), 0.0) > time.monotonic():
                refused.add(one.notifier)
                continue
            number = self.number_of(one.rule, one.where)
            if number is None or one.notifier not in self._rules[number].notify:
                self._drop(state, one)  # only what the config says is sent anywhere
            elif (problem := self._try(self._rules[number], one)) is None:
                self._drop(state, one)
            else:
                self._failed(state, one, problem)
                refused.add(one.notifier)
            save()

    def _try(self, rule: ConfiguredRule, one: Notification) -> str | None:
        """Send a notification; return the problem, or None."""
        try:
            with warned.no_errors():
                plugin, options = self._notifier(one.notifier)
                plugin.notify(alert_of(rule, one, self._journal), options)
        except MultitrackError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it is reported, and tried again
            return str(error) if type(error) is RuntimeError else error_text(error)
        return None

    def _notifier(self, name: str) -> tuple[plugins.Notifier, msgspec.Struct]:
        if name not in self._loaded:
            load, options = self._notifiers[name]
            plugin = plugins.load_notifier(load)
            self._loaded[name] = plugin, msgspec.convert(options, prepared(plugin.options_type()))
        return self._loaded[name]

    def _failed(self, state: State, one: Notification, problem: str) -> None:
        one.tries += 1
        problem = self._redactor.begin().text(problem)
        if one.tries >= TRIES:
            self._drop(state, one)
            self._notice(f"alerts: notifier {one.notifier} failed {TRIES} times, the message is dropped: {problem}")
            return
        self._due[id(one)] = time.monotonic() + FIRST_PAUSE * 2 ** (one.tries - 1)
        if one.tries == 1:
            self._notice(f"alerts: notifier {one.notifier} failed and will be tried again: {problem}")

    def _drop(self, state: State, one: Notification) -> None:
        state.unsent = [other for other in state.unsent if other is not one]
        self._due.pop(id(one), None)
