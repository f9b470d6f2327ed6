"""Call a plugin's hooks through one typed façade.

Every plugin gets its own plugin manager, so that a broken one does not affect the others.
:class:`Backend`, :class:`Extension`, :class:`SourcePlugin` and :class:`Notifier` are the only users of ``hook``, which
type checkers cannot check.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pluggy

from multitrack._hints import close_to
from multitrack.errors import PluginError
from multitrack.hookspecs import Alert, Hooks, Opened, RunInfo
from multitrack.markers import PROJECT
from multitrack.plugins.sdk import file_beside_program
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, ModelVersion, Params, Status, Tags
from multitrack.sources.source import Source


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options type of a backend or notifier without options."""


class Backend:
    """A checked backend; each method calls the hook of that name (see :mod:`multitrack.hookspecs`).

    Attributes:
        name: The backend's name in the config.
        load: The name or import path to load it by.
        local: True if it is an object of this process, which other processes cannot load.
        finds: True if it has the hook ``find_run``.
        reads: True if it has the hook ``read_run``.
    """

    def __init__(self, plugin: object, name: str, load: str, origin: str, *, local: bool = False) -> None:
        self.name = name
        self.load = load
        self.local = local
        self.plugin = plugin
        self._origin = f"backend {name!r}"
        self._hook = checked_manager(plugin, origin).hook
        names = implemented(plugin)
        self.finds = "find_run" in names
        self.reads = "read_run" in names
        if "open_run" not in names:
            raise PluginError(
                f"{origin} is not a backend: it has no open_run hook (found {_listed(names)}); see docs/hooks.md"
            )

    def options_type(self) -> type[msgspec.Struct]:
        """The type of the backend's options."""
        return _called(self._hook.backend_options, self._origin) or NoOptions

    def environment_variables(self) -> Sequence[str]:
        """Hook ``environment_variables``."""
        return _called(self._hook.environment_variables, self._origin) or ()

    def open_run(self, run: RunInfo) -> Opened:
        """Hook ``open_run``."""
        opened = _called(self._hook.open_run, self._origin, run=run)
        if not isinstance(opened, Opened):
            raise PluginError(f"backend {self.name}: open_run must return multitrack.hookspecs.Opened, got {opened!r}")
        return opened

    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Hook ``log_params``."""
        return _called(self._hook.log_params, self._origin, run=run, records=records) or ()

    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Hook ``log_metric``."""
        return _called(self._hook.log_metric, self._origin, run=run, records=records) or ()

    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Hook ``log_list_metric``."""
        return _called(self._hook.log_list_metric, self._origin, run=run, records=records) or ()

    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str]:
        """Hook ``log_artifact_ref``."""
        return _called(self._hook.log_artifact_ref, self._origin, run=run, records=records) or ()

    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str]:
        """Hook ``log_lines``."""
        return _called(self._hook.log_lines, self._origin, run=run, records=records) or ()

    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str]:
        """Hook ``set_tags``."""
        return _called(self._hook.set_tags, self._origin, run=run, records=records) or ()

    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Hook ``link_parent``."""
        _called(self._hook.link_parent, self._origin, run=run, parent_id=parent_id)

    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """Hook ``find_run``."""
        found: str | None = _called(self._hook.find_run, self._origin, run=run, run_id=run_id)
        return found

    def flush(self, run: RunInfo, position: int) -> int:
        """Hook ``flush``; returns the position to resume at, at most ``position``."""
        durable = _called(self._hook.flush, self._origin, run=run, position=position)
        return position if durable is None else min(int(durable), position)

    def close_run(self, run: RunInfo, status: Status, time: int) -> Sequence[str]:
        """Hook ``close_run``."""
        return _called(self._hook.close_run, self._origin, run=run, status=status, time=time) or ()

    def register_models(self, run: RunInfo, models: Sequence[ModelVersion]) -> Sequence[str]:
        """Hook ``register_models``."""
        return _called(self._hook.register_models, self._origin, run=run, models=models) or ()

    def read_run(self, run: RunInfo) -> Source | None:
        """Hook ``read_run``."""
        found: Source | None = _called(self._hook.read_run, self._origin, run=run)
        return found

    def set_model_alias(self, run: RunInfo, model: ModelVersion, alias: str, present: bool) -> bool:
        """Hook ``set_model_alias``."""
        hook = self._hook.set_model_alias
        return bool(_called(hook, self._origin, run=run, model=model, alias=alias, present=present))


class Extension:
    """A plugin that is not a backend, or the hooks of a backend that are not for delivery."""

    def __init__(self, plugin: object, origin: str) -> None:
        self.origin = self._origin = origin
        self._hook = checked_manager(plugin, origin).hook
        names = implemented(plugin)
        self.redacts = "redact" in names
        self.adds_context = "run_context" in names
        self.finds_versions = "find_data_version" in names

    def run_context(self, project: str, name: str) -> dict[str, Any]:
        """Hook ``run_context``."""
        found: list[dict[str, Any]] = _called(self._hook.run_context, self._origin, project=project, name=name)
        return found[0] if found else {}

    def find_data_version(self, uri: str, path: Path | None, digest: str | None) -> str | None:
        """Hook ``find_data_version``."""
        found: list[str] = _called(self._hook.find_data_version, self._origin, uri=uri, path=path, digest=digest)
        return found[0] if found else None

    def redact(self, text: str, name: str) -> str:
        """Hook ``redact``."""
        found: list[str] = _called(self._hook.redact, self._origin, text=text, name=name)
        return found[0] if found else text


class SourcePlugin:
    """A plugin that reads what a tracker or another tool has recorded.

    Attributes:
        reads: True if it has the hook ``open_source``.
        reads_tables: True if that takes the roles of columns.
    """

    def __init__(self, plugin: object, origin: str) -> None:
        self._origin = origin
        self._hook = checked_manager(plugin, origin).hook
        self.reads = "open_source" in implemented(plugin)
        self.reads_tables = any("columns" in each.argnames for each in self._hook.open_source.get_hookimpls())

    def open_source(self, address: str, tracker: str | None, columns: Mapping[str, str]) -> Source | None:
        """Hook ``open_source``."""
        found: Source | None = _called(
            self._hook.open_source, self._origin, address=address, tracker=tracker, columns=columns
        )
        return found


class Notifier:
    """A plugin that sends alerts; each method calls the hook of that name.

    Attributes:
        local: True if it is an object of this process, which other processes cannot load.
    """

    def __init__(self, plugin: object, origin: str, *, local: bool = False) -> None:
        self.local = local
        self._origin = origin
        self._hook = checked_manager(plugin, origin).hook
        if "notify" not in (names := implemented(plugin)):
            raise PluginError(
                f"{origin} is not a notifier: it has no notify hook (found {_listed(names)}); see docs/hooks.md"
            )

    def options_type(self) -> type[msgspec.Struct]:
        """Hook ``notifier_options``."""
        return _called(self._hook.notifier_options, self._origin) or NoOptions

    def notify(self, alert: Alert, options: msgspec.Struct) -> None:
        """Hook ``notify``."""
        _called(self._hook.notify, self._origin, alert=alert, options=options)


def _called(hook: pluggy.HookCaller, origin: str, **arguments: Any) -> Any:
    """Call a hook; convert an exception that would end the thread or process to an error.

    An SDK's import may call ``sys.exit``. ``KeyboardInterrupt`` on the main thread is raised unchanged.

    Raises:
        PluginError: If the hook raised ``SystemExit`` or the like.
    """
    try:
        return hook(**arguments)
    except Exception:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        left = f"{origin} left {hook.name} with {type(error).__name__}: {error}".rstrip(": ")
        if (file := file_beside_program(error)) is not None:
            left += f", raised by {file}; if it hides a package of its name, rename the file"
        raise PluginError(left) from error


def implemented(plugin: object) -> set[str]:
    """The names of the hooks that a plugin implements, including misspelt ones."""
    marker = f"{PROJECT}_impl"
    return {name for name in dir(plugin) if getattr(getattr(plugin, name, None), marker, None) is not None}


_SPECIFIED: Final = frozenset(name for name in vars(Hooks) if not name.startswith("_"))


class _Manager(pluggy.PluginManager):
    """Looks at those attributes alone that may be hooks: half the time of a registration, a millisecond a plugin."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if name in _SPECIFIED else None

    def parse_hookspec_opts(self, module_or_class: object, name: str) -> pluggy.HookspecOpts | None:
        return super().parse_hookspec_opts(module_or_class, name) if name in _SPECIFIED else None  # type: ignore[arg-type]


def checked_manager(plugin: object, origin: str) -> pluggy.PluginManager:
    """Create a plugin manager with only this plugin.

    Raises:
        PluginError: If the plugin is a class, has no hook, an unknown one, or one with wrong arguments.
    """
    if inspect.isclass(plugin):
        raise PluginError(
            f"{origin} is the class {plugin.__qualname__}, not an instance; register {plugin.__qualname__}() or "
            "point the entry point at an instance"
        )
    names = implemented(plugin)
    if not names:
        raise PluginError(f"{origin} implements no hook; mark its methods with @multitrack.hookimpl")
    manager = _Manager(PROJECT)
    manager.add_hookspecs(Hooks)
    for name in sorted(names - _SPECIFIED):
        close = close_to(name, _SPECIFIED)
        hint = f"did you mean {close!r}?" if close else f"hooks are {_listed(_SPECIFIED)}"
        raise PluginError(f"{origin} implements an unknown hook {name!r}; {hint}")
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        detail = str(error).replace("\n", " ").strip()
        raise PluginError(f"{origin} has a hook with wrong arguments: {detail}; see docs/hooks.md") from error
    return manager


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
