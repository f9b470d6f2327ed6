"""Private names of the SDK by which our runs are kept apart from what the process is set up for.

``wandb.init`` begins with the settings of the SDK's process-wide object: every ``WANDB_*`` variable, two settings
files, what a cloud's job says. Some of them win over the arguments of ``wandb.init`` (a sweep's id and params, W&B
Launch), and none can be unset by them. In a courier the variables are not there. In the training's own process, in a
notebook and in ``multitrack sync`` they are the user's, who may be using W&B at the same time. So in our threads, and
in no other, that object is one with settings of our own: the way to the server, and nothing about runs.

Where an SDK lacks one of these names, runs are only as safe as the courier's environment makes them.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

from multitrack.environment.allowed import allowed
from multitrack_wandb.options import ENVIRONMENT, from_settings_file

#: What else takes part in a run because of where the process is, as module and name.
AMBIENT: Final = (
    ("wandb.sdk.wandb_config", "Config._load_defaults"),  # config-defaults.yaml in the current directory
    ("wandb.env", "get_launch_queue_name"),  # W&B Launch
    ("wandb.env", "get_launch_queue_entity"),
    ("wandb.env", "get_launch_trace_id"),
    ("wandb.integration.weave", "init_weave_if_imported"),  # would connect the training's Weave with our project
)

_thread = threading.local()
_lock = threading.RLock()
_library: Library | None = None  # the last one


class Library:
    """The SDK's process-wide object as one of our runs sees it: its settings are ours, everything else is shared.

    Args:
        real: The object.
        settings: Of the way to the server.
        stream: What the helper process knows the run by. The SDK takes the run's id, of which there may be several in a
            process: of another journal, or the training's own.
    """

    def __init__(self, real: Any, settings: Any, stream: str) -> None:
        self.real = real
        self.settings = self.settings_if_loaded = settings
        self.config: dict[str, Any] = {}  # of WANDB_CONFIG_PATHS
        self.most_recent_active_run = self._sweep_config = None
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def did_environment_change(self) -> bool:
        """Not that we would know."""
        return False

    def update_user_settings(self) -> None:
        """Nothing: the account's are not asked for."""

    def _load_user_settings(self) -> None:
        """Nothing: the account may say that code is saved."""

    def add_active_run(self, run: Any) -> None:
        """Nothing: the training's own ``wandb.init`` would finish our run, or go on with it."""

    def remove_active_run(self, run: Any) -> None:
        """Nothing to take out."""

    def ensure_service(self) -> Service:
        """The helper process, the real object's, whose settings may be ones that the SDK refuses: they are not read."""
        if self.real._connection is None:
            connect = importlib.import_module("wandb.sdk.lib.service.service_connection").connect_to_service
            with self.real._connection_lock:
                if self.real._connection is None:
                    self.real._connection = connect(self.real._asyncer, self.settings)
        return Service(self.real._connection, self._stream)

    assert_service = ensure_service


class Service:
    """The connection to the helper process, with another name for the run."""

    def __init__(self, connection: Any, stream: str) -> None:
        self._connection = connection
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def inform_init(self, settings: Any, run_id: str) -> Any:
        """A run begins."""
        return self._connection.inform_init(settings=settings, run_id=self._stream or run_id)

    def inform_finish(self, run_id: str) -> None:
        """It is over."""
        self._connection.inform_finish(run_id=self._stream or run_id)


@contextlib.contextmanager
def apart(library: Library | None = None) -> Iterator[None]:
    """In this thread and until the end of the block, what the SDK does, it does for our runs.

    Args:
        library: The run's own; default: that of the run that was started last.
    """
    before = getattr(_thread, "library", None)
    _thread.library = library or _library
    try:
        yield
    finally:
        _thread.library = before


def prepare(sdk: Any, base_url: str | None, stream: str) -> Library | None:
    """Before a run is started: read the way to the server anew, and take over the login that this process has.

    Args:
        sdk: The module ``wandb``.
        base_url: The run's server, if it has one of its own.
        stream: What the helper process is to know the run by.

    Returns:
        What the run is to see; ``None`` where the SDK lacks the names for it.
    """
    global _library
    with _lock:
        setup = importlib.import_module("wandb.sdk.wandb_setup")
        if not _install(setup):
            return None
        real = setup.singleton.__wrapped__()
        if _library is None:
            known = sdk.Settings.model_fields
            kept = {key: value for key, value in from_settings_file().items() if key in known}
            settings = sdk.Settings(**kept, silent=True)
        else:
            settings = _library.settings
        if real.settings_if_loaded is None:  # else the user's own, which say what is printed
            sdk.termsetup(settings, None)
        settings.update_from_env_vars(allowed(ENVIRONMENT))
        host = base_url or settings.base_url
        login = importlib.import_module("wandb.sdk.lib.wbauth")
        with contextlib.suppress(ValueError):  # no URL: the SDK says so, in its own words
            found = login.session_credentials(host=host)
            if found is not None:
                login.set_auth_settings(settings, found)
            elif settings.api_key is None:
                settings.api_key = login.read_netrc_auth(host=host)
        _library = Library(real, settings, stream)
        return _library


def missing() -> list[str]:
    """Which of the names the installed SDK lacks."""
    names = (*AMBIENT, *(("wandb.sdk.wandb_setup", name) for name in ("singleton", "_WandbSetup.ensure_service")))
    return [f"{module}.{path}" for module, path in names if _holder(module, path) is None]


def key() -> str | None:
    """The key that our runs show the server."""
    found: str | None = None if _library is None else _library.settings.api_key
    return found


def _install(setup: Any) -> bool:
    """Replace the names, once; whether the first of them is there."""
    original = getattr(setup, "singleton", None)
    if original is None or hasattr(original, "__wrapped__"):
        return original is not None

    @functools.wraps(original)
    def singleton() -> Any:
        return getattr(_thread, "library", None) or original()

    setup.singleton = singleton
    for module, path in AMBIENT:
        holder, name = _holder(module, path), path.rpartition(".")[2]
        if holder is not None:
            setattr(holder, name, _unless_ours(getattr(holder, name)))
    return True


def _holder(module: str, path: str) -> Any:
    """The module or class that has the last name of a path; ``None`` where it has not. The SDK is imported by now."""
    holder: Any = sys.modules.get(module)
    *outer, name = path.split(".")
    for part in outer:
        holder = getattr(holder, part, None)
    return holder if hasattr(holder, name) else None


def _unless_ours(function: Any) -> Any:
    @functools.wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        return None if getattr(_thread, "library", None) else function(*given, **named)

    return called
