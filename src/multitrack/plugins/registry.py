"""Find, check and load plugins: by entry point, import path, or as objects of this process."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Final

from multitrack._hints import close_to, to_install
from multitrack._text import short_repr
from multitrack.errors import BackendNotInstalledError, PluginError, UnknownBackendError
from multitrack.plugins.distributions import entry_point, entry_points
from multitrack.plugins.facade import Backend, Extension, Notifier, SourcePlugin, checked_manager

#: Backends with a distribution of multitrack, installed or not.
KNOWN: Final = ("files", "goodseed", "mlflow", "neptune", "prometheus", "tensorboard", "trackio", "wandb")

_registered: dict[str, object] = {}
_checked: dict[str, Backend] = {}  # each check takes a millisecond or two


def register(plugin: object, name: str | None = None) -> None:
    """Register a plugin object in this process, under ``name`` or its own ``name`` attribute.

    A registered backend exists only in this process: runs that use it need ``delivery = "thread"``.

    Raises:
        PluginError: If it is a class, has no hook, a misspelt one, or one with wrong arguments.
    """
    origin = f"plugin {short_repr(plugin)}"
    checked_manager(plugin, origin)
    _registered[name or plugin_name(plugin)] = plugin


def unregister(name: str) -> None:
    """Remove a registered plugin; unknown names are ignored."""
    _registered.pop(name, None)


def plugin_name(plugin: object) -> str:
    """The name of a plugin object: its ``name`` attribute, or its module's or class's name."""
    name = getattr(plugin, "name", None)
    if isinstance(name, str) and name:
        return name
    return getattr(plugin, "__name__", None) or type(plugin).__name__.lower()


def extensions(names: Sequence[str]) -> list[Extension]:
    """Load the plugins with hooks that are not for delivery: registered ones, and those that the config names."""
    found = [Extension(plugin, f"plugin {name!r}") for name, plugin in _registered.items()]
    for name in names:
        if name not in _registered:
            plugin, origin = _load(name, "plugin")
            found.append(Extension(plugin, origin))
    return [extension for extension in found if extension.redacts or extension.adds_context or extension.finds_versions]


def available() -> set[str]:
    """The names of all installed or registered plugins."""
    return {*installed(), *_registered}


def installed() -> dict[str, str]:
    """The distribution with version of every installed plugin, by name; imports none of them."""
    return {name: distribution for name, distribution, _ in entry_points()}


def load_backend(backend: object) -> Backend:
    """Load a backend by its name or import path ``module:attribute``, or check a plugin object.

    Raises:
        UnknownBackendError: If there is no backend of this name.
        BackendNotInstalledError: If the name is known, but its distribution is not installed.
        PluginError: If it cannot be imported or is not a backend; the message says how to fix it.
    """
    if not isinstance(backend, str):
        name = plugin_name(backend)
        return Backend(backend, name, name, f"backend {short_repr(backend)}", local=True)
    if backend in _registered:
        return Backend(_registered[backend], backend, backend, f"registered backend {backend!r}", local=True)
    plugin, origin = _load(backend, "backend")
    known = _checked.get(backend)
    if known is None or known.plugin is not plugin:
        name = plugin_name(plugin) if ":" in backend else backend
        known = _checked[backend] = Backend(plugin, name, backend, origin)
    return known


#: The formats that multitrack itself reads, and their modules in ``migration/formats``.
FORMATS: Final = {"csv": "csv_files", "keras-tuner": "keras_tuner", "parquet": "parquet_files"}


def source_plugins() -> Iterator[tuple[str, SourcePlugin | PluginError]]:
    """Load each plugin that reads runs: ours, installed and registered ones; yield it by name, or its error."""
    for name in sorted({*available(), *FORMATS}):
        try:
            if name in _registered:
                plugin = SourcePlugin(_registered[name], f"registered plugin {name!r}")
            elif name in FORMATS:
                own = f"multitrack.migration.formats.{FORMATS[name]}:plugin"
                plugin = SourcePlugin(_import(own, f"format {name!r}", "reinstall multitrack"), f"format {name!r}")
            else:
                plugin = SourcePlugin(*_load(name, "plugin"))
        except PluginError as error:
            yield name, error
            continue
        if plugin.reads:
            yield name, plugin


#: The notifiers of multitrack itself, in ``alerts/notifiers``.
NOTIFIERS: Final = ("command", "log", "slack", "smtp", "webhook")


def load_notifier(name: str) -> Notifier:
    """Load a notifier by its name or import path ``module:attribute``.

    Raises:
        UnknownBackendError: If there is no plugin of this name.
        PluginError: If it cannot be imported or is not a notifier; the message says how to fix it.
    """
    if name in _registered:
        return Notifier(_registered[name], f"registered notifier {name!r}", local=True)
    if name in NOTIFIERS:
        own = f"multitrack.alerts.notifiers.{name}:plugin"
        return Notifier(_import(own, f"notifier {name!r}", "reinstall multitrack"), f"notifier {name!r}")
    return Notifier(*_load(name, "notifier"))


def _load(name: str, kind: str) -> tuple[object, str]:
    """Load a plugin by entry point or import path; return it with a description of its origin."""
    if ":" in name:
        origin = f"{kind} {name!r}"
        return _import(name, origin, "it must be 'package.module:attribute', importable from here"), origin
    found = entry_point(name)
    if found is None:
        raise _missing(name, kind)
    distribution, place = found
    origin = f"{kind} {name!r} of {distribution} (entry point {place})"
    return _import(place, origin, "reinstall or remove that distribution"), origin


def _import(path: str, origin: str, remedy: str) -> object:
    module, _, attribute = path.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            found = getattr(found, part)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may call sys.exit
        raise PluginError(f"{origin} cannot be imported: {type(error).__name__}: {error}; {remedy}") from error
    return found


def _missing(name: str, kind: str) -> Exception:
    if name in KNOWN and kind != "notifier":
        return BackendNotInstalledError(f"backend {name!r} is not installed: {to_install(name, f'./plugins/{name}')}")
    ours = {"backend": KNOWN, "notifier": NOTIFIERS}.get(kind, ())
    choices = sorted({*installed(), *_registered, *ours})
    close = close_to(name, choices)
    word = "known" if ours else "installed"
    hint = f"did you mean {close!r}?" if close else f"{word}: {', '.join(choices)}."
    return UnknownBackendError(
        f"unknown {kind} {name!r}; {hint} Install the distribution that has it, or name a plugin of your own by its "
        "import path, 'package.module:attribute'"
    )
