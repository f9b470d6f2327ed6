"""The alerts of a config: parsed rules, and notifiers with checked options.

Rules and notifiers come only from the config of the process that evaluates them, or from the training process that
started it. A journal names neither.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from multitrack import plugins
from multitrack.alerts.rules import Rule, groupable, may_group, parse_rule
from multitrack.config import Config
from multitrack.config.conversion import Origin, closest_of, converted
from multitrack.config.settings import AlertSettings
from multitrack.errors import ConfigError, MultitrackError, QueryError, RuleError
from multitrack.journal.prepared import prepared
from multitrack.query.columns import Column
from multitrack.query.filters import Filter, columns_in, parse_where

#: The notifier of rules in a config without notifiers.
DEFAULT: Final = "log"


class Plan(msgspec.Struct, frozen=True):
    """Checked alerts, as a training process passes them to its courier.

    Attributes:
        rules: The tables of the rules, each with its notifiers.
        notifiers: The plugin and the options of each notifier, by name.
        variables: Names of the environment variables that the notifiers need.
        start: Time (ms) from which records count in a journal whose alerts were never evaluated.
    """

    rules: list[AlertSettings]
    notifiers: dict[str, tuple[str, dict[str, Any]]]
    variables: list[str] = []
    start: int = 0

    def equals(self, other: Plan) -> bool:
        """Return True if another plan has the same rules and notifiers."""
        return (self.rules, self.notifiers) == (other.rules, other.notifiers)


class ConfiguredRule(msgspec.Struct, frozen=True):
    """A rule that is ready to be evaluated.

    Attributes:
        name: Its name in messages.
        rule: The parsed rule.
        where: The text of its filter.
        matches: The filter.
        notify: The names of its notifiers.
    """

    name: str
    rule: Rule
    where: str | None
    matches: Filter | None
    notify: tuple[str, ...]

    @property
    def columns(self) -> list[Column]:
        """The columns of the filter."""
        return [] if self.where is None else columns_in(self.where)


def plan_alerts(config: Config, process: bool = False) -> Plan:
    """Check the alerts of a config.

    Args:
        config: The config.
        process: True if another process evaluates them, which cannot reach objects of this one.

    Raises:
        ConfigError: If a rule, a filter, a notifier or an option is invalid; the message names the place and the key.
    """
    settings = config.settings
    for number, alert in enumerate(settings.alerts, 1):
        _check(config, number, alert)
    used = dict.fromkeys(name for alert in settings.alerts for name in _names(alert, settings.notify))
    notifiers, variables = {}, []
    for name in {**used, **settings.notify}:
        notifiers[name], needed = _notifier(config, name, process)
        variables += needed
    rules = [msgspec.structs.replace(alert, notify=list(_names(alert, settings.notify))) for alert in settings.alerts]
    return Plan(rules, notifiers, variables, time.time_ns() // 1_000_000)


def check_rules(texts: Iterable[str], place: str) -> list[AlertSettings]:
    """Check rules that are given without a config.

    Raises:
        RuleError: If one is invalid.
    """
    for text in texts:
        try:
            parse_rule(text)
        except QueryError as error:
            raise RuleError(f"{place}: {error}", source=place) from error
    return [AlertSettings(when=text) for text in dict.fromkeys(texts)]


def ready_rules(alerts: Iterable[AlertSettings]) -> list[ConfiguredRule]:
    """Parse checked rules.

    Raises:
        QueryError: If a rule or filter is invalid.
    """
    return [
        ConfiguredRule(
            alert.name or alert.when, parse_rule(alert.when), alert.where,
            None if alert.where is None else _filter(alert.where), tuple(alert.notify or (DEFAULT,)),
        )
        for alert in alerts
    ]  # fmt: skip


def _names(alert: AlertSettings, notifiers: Mapping[str, Any]) -> Iterable[str]:
    return (notifiers or (DEFAULT,)) if alert.notify is None else dict.fromkeys(alert.notify)


def _check(config: Config, number: int, alert: AlertSettings) -> None:
    place = config.origins["alerts"]
    for key, text, parse in (("when", alert.when, parse_rule), ("where", alert.where, _filter)):
        try:
            if text is not None:
                parse(text)
        except QueryError as error:
            raise RuleError(
                f"{place}: [[alerts]] {number} {key}: {error}", key=f"alerts.{number}.{key}", source=place
            ) from error
    first = next((i for i, one in enumerate(config.settings.alerts[: number - 1], 1)
                  if (one.when, one.where) == (alert.when, alert.where)), None)  # fmt: skip
    if first is not None:
        raise ConfigError(f"{place}: [[alerts]] {number} is the same rule as [[alerts]] {first}", source=place)


def _filter(text: str) -> Filter:
    for column in columns_in(text):
        if not groupable(column):
            raise QueryError(f"runs of an alert cannot be selected by {column}; {may_group()}")
    return parse_where(text)


def _notifier(config: Config, name: str, process: bool) -> tuple[tuple[str, dict[str, Any]], list[str]]:
    """The plugin of a notifier with its options, and the names of the environment variables that it needs."""
    given = dict(config.settings.notify.get(name, {}))
    place = config.origins["notify" if name in config.settings.notify else "alerts"]
    load = given.pop("plugin", name)
    if not isinstance(load, str):
        raise ConfigError(f'{place}: [notify.{name}] plugin: expected a name, such as "webhook"', source=place)
    try:
        plugin = plugins.load_notifier(load)
    except MultitrackError as error:
        raise ConfigError(f"{place}: [notify.{name}]: {error}", key=f"notify.{name}", source=place) from error
    if process and plugin.local:
        raise ConfigError(
            f"{place}: notifier {name!r} is an object of this process, which a courier process cannot reach: set "
            'delivery = "thread", or name it by import path, "package.module:attribute"', source=place,
        )  # fmt: skip
    kind = plugin.options_type()
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    origin = Origin(place, config.base)
    values = {}
    for key, value in given.items():
        if key not in fields:
            raise ConfigError(
                f"{place}: [notify.{name}] has no option {key!r}; {closest_of(key, fields)}",
                key=f"notify.{name}.{key}", source=place,
            )  # fmt: skip
        values[key] = converted(value, fields[key].type, origin, f"[notify.{name}] {key}")
    try:
        options = msgspec.convert(values, prepared(kind))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{place}: [notify.{name}] {error}", key=f"notify.{name}", source=place) from error
    plain = msgspec.to_builtins(options)
    return (load, plain), [str(value) for key, value in plain.items() if key.endswith("_variable") and value]
