"""Load and check the backends that a run is delivered to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from multitrack import plugins
from multitrack._text import plain_text
from multitrack.config import Config, Settings
from multitrack.courier.hosts import Delivery
from multitrack.environment.allowed import allowed
from multitrack.errors import BackendNotInstalledError, ConfigError, UnknownBackendError
from multitrack.journal.manifest import BackendEntry


def choose(
    loaded: Config,
    backends: Sequence[object],
    settings: Settings,
    inherited: Mapping[str, dict[str, Any]] | None = None,
) -> Delivery:
    """Load and check the backends and their options.

    Args:
        loaded: The config.
        backends: Names, import paths or plugin objects.
        settings: The run's settings.
        inherited: The options of a parent, by backend; used where the config has none.

    Raises:
        ConfigError: If an option is unknown, a value is invalid, or a backend is named twice.
        BackendNotInstalledError, PluginError: As :func:`multitrack.plugins.load_backend`.
    """
    delivery = Delivery(interval=settings.interval)
    for given in backends:
        backend = _loaded(given, loaded)
        if backend.name in delivery.options:
            raise ConfigError(f"backends: {backend.name!r} is named twice")
        options, _ = loaded.options(backend, (inherited or {}).get(backend.name))
        plain = msgspec.to_builtins(options)
        delivery.options[backend.name] = plain
        delivery.entries.append(BackendEntry(name=backend.name, load=backend.load))
        delivery.environment |= allowed(backend.environment_variables())
        if backend.local:
            if settings.delivery == "process":
                raise ConfigError(
                    f"backend {backend.name!r} is an object of this process, which a courier process cannot reach: "
                    'set delivery = "thread", or name it by import path, "package.module:attribute"'
                )
            delivery.objects[backend.name] = backend.plugin
    if settings.alerts or settings.notify:
        _plan_alerts(loaded, settings, delivery)
    loaded.check_tables(delivery.options)
    loaded.check_variables(delivery.options)
    return delivery


def _plan_alerts(loaded: Config, settings: Settings, delivery: Delivery) -> None:
    from multitrack.alerts.configured import plan_alerts  # noqa: PLC0415 - most runs have no alerts

    plan = plan_alerts(loaded, process=settings.delivery == "process")
    if plan.rules:
        delivery.alerts = msgspec.to_builtins(plan)
        delivery.environment |= allowed(plan.variables)


def _loaded(given: object, loaded: Config) -> plugins.Backend:
    """Load a backend; an error names the place of its name, if that is not the call."""
    try:
        return plugins.load_backend(plain_text(given) if isinstance(given, str) else given)
    except (UnknownBackendError, BackendNotInstalledError) as error:
        origin = loaded.origins["backends"] if given in loaded.settings.backends else ""
        if not origin or origin.startswith("argument"):
            raise
        text = f"{origin}: {error}"
        if isinstance(error, UnknownBackendError):
            raise UnknownBackendError(text, key="backends", source=origin) from None
        raise BackendNotInstalledError(text) from None


def several(backends: object) -> list[object]:
    """Return the ``backends`` argument as a list; it may be a single backend."""
    if isinstance(backends, (list, tuple, AbstractSet)):
        return list(backends)
    return [backends]
