"""Check the settings that are tables: ``[[alerts]]`` and ``[notify.NAME]``. Errors name the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from multitrack.config.conversion import Origin, closest_of, converted
from multitrack.config.settings import AlertSettings
from multitrack.errors import ConfigError


def converted_tables(value: Any, kind: Any, origin: Origin, key: str) -> Any:
    """Convert the value of ``alerts`` or ``notify``.

    Raises:
        ConfigError: If it has another shape; the message names the place, the table and the key.
    """
    if key == "notify":
        if not isinstance(value, Mapping) or not all(isinstance(table, Mapping) for table in value.values()):
            _fail(origin, key, "notifiers are tables, such as [notify.webhook]")
        return converted(value, kind, origin, key)
    if not isinstance(value, list) or not all(isinstance(table, Mapping) for table in value):
        _fail(origin, key, 'alerts are tables in the config file, each with a rule: [[alerts]] when = "nan loss"')
    return [_alert(table, origin, f"[[alerts]] {number}") for number, table in enumerate(value, 1)]


def _alert(table: Mapping[str, Any], origin: Origin, name: str) -> AlertSettings:
    fields = {field.name: field for field in msgspec.structs.fields(AlertSettings)}
    for key in table:
        if key not in fields:
            _fail(origin, f"{name} {key}", f"there is no key {key!r}; {closest_of(key, fields)}")
    if "when" not in table:
        _fail(origin, f"{name} when", 'an alert needs a rule: when = "nan loss"')
    return AlertSettings(
        **{key: converted(value, fields[key].type, origin, f"{name} {key}") for key, value in table.items()}
    )


def _fail(origin: Origin, key: str, reason: str) -> NoReturn:
    raise ConfigError(f"{origin.place}: {key}: {reason}", key=key, source=origin.place)
