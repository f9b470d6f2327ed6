"""Find, check and load plugins, and call their hooks through one typed façade.

Every plugin gets a plugin manager of its own: one that raises or is broken then touches no other, and
:class:`Backend` and :class:`Extension` are the only places that see ``hook``, which no type checker looks through.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pluggy

from multitrack.distributions import entry_point, entry_points
from multitrack.errors import BackendNotInstalledError, PluginError, UnknownBackendError, to_install
from multitrack.hookspecs import Hooks, Opened, RunInfo
from multitrack.markers import PROJECT
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags

#: Backends that multitrack has a distribution for, installed or not.
KNOWN: Final = ("mlflow", "neptune", "wandb")

_registered: dict[str, object] = {}
_checked: dict[str, Backend] = {}  # each check takes a millisecond or two


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backend without options takes."""


class Backend:
    """One backend, checked; each method is the hook of that name (see :mod:`multitrack.hookspecs`).

    Attributes:
        name: What the config calls it.
        load: How it is found again: a name or an import path.
        local: Whether it is an object of this process, which no other can find.
        finds: Whether it has ``find_run``.
    """

    def __init__(self, plugin: object, name: str, load: str, origin: str, *, local: bool = False) -> None:
        self.name = name
        self.load = load
        self.local = local
        self.plugin = plugin
        self._hook = _checked_manager(plugin, origin).hook
        names = implemented(plugin)
        self.finds = "find_run" in names
        if "open_run" not in names:
            raise PluginError(
                f"{origin} is no backend: it has no open_run hook (found {_listed(names)}); see docs/hooks.md"
            )

    def options_type(self) -> type[msgspec.Struct]:
        """The type of the backend's options."""
        return self._hook.backend_options() or NoOptions

    def open_run(self, run: RunInfo) -> Opened:
        """Hook ``open_run``."""
        opened = self._hook.open_run(run=run)
        if not isinstance(opened, Opened):
            raise PluginError(f"backend {self.name}: open_run must return multitrack.hookspecs.Opened, got {opened!r}")
        return opened

    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Hook ``log_params``."""
        return self._hook.log_params(run=run, records=records) or ()

    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Hook ``log_metric``."""
        return self._hook.log_metric(run=run, records=records) or ()

    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Hook ``log_list_metric``."""
        return self._hook.log_list_metric(run=run, records=records) or ()

    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str]:
        """Hook ``log_artifact_ref``."""
        return self._hook.log_artifact_ref(run=run, records=records) or ()

    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str]:
        """Hook ``log_lines``."""
        return self._hook.log_lines(run=run, records=records) or ()

    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str]:
        """Hook ``set_tags``."""
        return self._hook.set_tags(run=run, records=records) or ()

    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Hook ``link_parent``."""
        self._hook.link_parent(run=run, parent_id=parent_id)

    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """Hook ``find_run``."""
        found: str | None = self._hook.find_run(run=run, run_id=run_id)
        return found

    def flush(self, run: RunInfo, position: int) -> int:
        """Hook ``flush``; the position to resume at."""
        durable = self._hook.flush(run=run, position=position)
        return position if durable is None else min(int(durable), position)

    def close_run(self, run: RunInfo, status: Status, time: int) -> None:
        """Hook ``close_run``."""
        self._hook.close_run(run=run, status=status, time=time)


class Extension:
    """A plugin that is no backend, or the other hooks of one."""

    def __init__(self, plugin: object, origin: str) -> None:
        self.origin = origin
        self._hook = _checked_manager(plugin, origin).hook
        names = implemented(plugin)
        self.redacts = "redact" in names
        self.adds_context = "run_context" in names

    def run_context(self, project: str, name: str) -> dict[str, Any]:
        """Hook ``run_context``."""
        found: list[dict[str, Any]] = self._hook.run_context(project=project, name=name)
        return found[0] if found else {}

    def redact(self, text: str, name: str) -> str:
        """Hook ``redact``."""
        found: list[str] = self._hook.redact(text=text, name=name)
        return found[0] if found else text


def register(plugin: object, name: str | None = None) -> None:
    """Make a plugin object known to this process, under ``name`` or its own ``name`` attribute.

    A backend registered so exists in this process only: runs that use it need ``delivery = "thread"``.

    Raises:
        PluginError: It is a class, has no hook, a misspelt one, or one with the wrong arguments.
    """
    origin = f"plugin {plugin!r}"
    _checked_manager(plugin, origin)
    _registered[name or plugin_name(plugin)] = plugin


def unregister(name: str) -> None:
    """Forget a registered plugin; unknown names are ignored."""
    _registered.pop(name, None)


def plugin_name(plugin: object) -> str:
    """What a plugin object is called: its ``name`` attribute, or its class's or module's name."""
    name = getattr(plugin, "name", None)
    if isinstance(name, str) and name:
        return name
    return getattr(plugin, "__name__", None) or type(plugin).__name__.lower()


def extensions(names: Sequence[str]) -> list[Extension]:
    """The plugins whose ``run_context`` and ``redact`` count: registered ones, and those the config names."""
    found = [Extension(plugin, f"plugin {name!r}") for name, plugin in _registered.items()]
    for name in names:
        if name not in _registered:
            plugin, origin = _load(name)
            found.append(Extension(plugin, origin))
    return [extension for extension in found if extension.redacts or extension.adds_context]


def available() -> set[str]:
    """Names of all backends that could be selected here: installed or registered."""
    return {*installed(), *_registered}


def installed() -> dict[str, str]:
    """Every installed backend's name and its distribution with version; nothing is imported."""
    return {name: distribution for name, distribution, _ in entry_points()}


def load_backend(backend: object) -> Backend:
    """The backend that a name, an import path ``module:attribute``, or a plugin object stands for.

    Raises:
        UnknownBackendError: No such name.
        BackendNotInstalledError: The name is known, but its distribution is not installed.
        PluginError: What was found is no backend; the message names the distribution and what to mend.
    """
    if not isinstance(backend, str):
        name = plugin_name(backend)
        return Backend(backend, name, name, f"backend {backend!r}", local=True)
    if backend in _registered:
        return Backend(_registered[backend], backend, backend, f"registered backend {backend!r}", local=True)
    plugin, origin = _load(backend)
    known = _checked.get(backend)
    if known is None or known.plugin is not plugin:
        name = plugin_name(plugin) if ":" in backend else backend
        known = _checked[backend] = Backend(plugin, name, backend, origin)
    return known


def _load(name: str) -> tuple[object, str]:
    """A plugin by entry point or import path, and where it came from, in words."""
    if ":" in name:
        return _import(name, f"backend {name!r}"), f"backend {name!r}"
    found = entry_point(name)
    if found is None:
        raise _missing(name)
    distribution, place = found
    origin = f"backend {name!r} of {distribution} (entry point {place})"
    return _import(place, origin), origin


def _import(path: str, origin: str) -> object:
    module, _, attribute = path.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):
            found = getattr(found, part)
    except Exception as error:
        raise PluginError(
            f"{origin} cannot be imported: {type(error).__name__}: {error}; reinstall or remove that distribution"
        ) from error
    return found


def _missing(name: str) -> Exception:
    if name in KNOWN:
        return BackendNotInstalledError(f"backend {name!r} is not installed: {to_install(name, f'./plugins/{name}')}")
    choices = sorted({*KNOWN, *installed(), *_registered})
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(choices)}."
    return UnknownBackendError(
        f"unknown backend {name!r}; {hint} A plugin of your own is named by its import path, 'package.module:attribute'"
    )


def require_sdk(backend: str, module: str) -> None:
    """For ``backend_options``: refuse a run at its start where the tracker's SDK is missing; imports nothing.

    Args:
        backend: The backend's name, which is also its extra's.
        module: The SDK's top-level module.

    Raises:
        BackendNotInstalledError: It is not installed; says what to type.
    """
    if importlib.util.find_spec(module) is None:
        raise BackendNotInstalledError(
            f"backend {backend!r} needs the package {module!r}, which is not installed: "
            + to_install(backend, f"./plugins/{backend}")
        )


def implemented(plugin: object) -> set[str]:
    """The names of the hooks that a plugin implements, misspelt ones included."""
    marker = f"{PROJECT}_impl"
    return {name for name in dir(plugin) if getattr(getattr(plugin, name, None), marker, None) is not None}


def _checked_manager(plugin: object, origin: str) -> pluggy.PluginManager:
    """A manager with just this plugin, or an error that says what to mend."""
    if inspect.isclass(plugin):
        raise PluginError(
            f"{origin} is the class {plugin.__qualname__}, not an instance; register {plugin.__qualname__}() or "
            "point the entry point at an instance"
        )
    names = implemented(plugin)
    if not names:
        raise PluginError(f"{origin} implements no hook; mark its methods with @multitrack.hookimpl")
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    specified = {name for name in vars(Hooks) if not name.startswith("_")}
    for name in sorted(names - specified):
        close = difflib.get_close_matches(name, specified, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"hooks are {_listed(specified)}"
        raise PluginError(f"{origin} implements an unknown hook {name!r}; {hint}")
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        detail = str(error).replace("\n", " ").strip()
        raise PluginError(f"{origin} has a hook with wrong arguments: {detail}; see docs/hooks.md") from error
    return manager


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
