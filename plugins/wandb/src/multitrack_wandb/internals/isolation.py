"""Isolate our runs from the process's W&B settings, with private names of the SDK.

``wandb.init`` starts from the settings of the SDK's process-wide object: every ``WANDB_*`` variable, two settings
files, and those of a cloud job. Some of them take precedence over the arguments of ``wandb.init`` (a sweep's id and
params, W&B Launch), and arguments can unset none of them. A courier process does not have these variables. In the
training's own process, in a notebook and in ``multitrack sync`` they belong to the user, who may use W&B at the same
time. So in our threads only, that object is replaced by one with our own settings: those of the server, none of runs.

If a release lacks one of these names, the variables of runs are hidden while a run starts, in processes that do not use
W&B themselves.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from multitrack.environment.allowed import allowed
from multitrack_wandb.internals import lookup
from multitrack_wandb.options import ENVIRONMENT, from_settings_file, key_for

if TYPE_CHECKING:
    import wandb

#: Functions that change a run according to the process's environment.
AMBIENT: Final = (
    "wandb.sdk.wandb_config:Config._load_defaults",  # config-defaults.yaml in the current directory
    "wandb.env:get_launch_queue_name",  # W&B Launch
    "wandb.env:get_launch_queue_entity",
    "wandb.env:get_launch_trace_id",
    "wandb.integration.weave:init_weave_if_imported",  # would connect the training's Weave with our project
)
#: Names that the isolation needs.
_NEEDED: Final = (
    "wandb.sdk.wandb_setup:singleton",
    "wandb.sdk.wandb_setup:_WandbSetup.ensure_service",
    "wandb.sdk.wandb_setup:_WandbSetup.settings_if_loaded",
    "wandb.sdk.wandb_setup:_WandbSetup.asyncer",
    "wandb.sdk.lib.service.service_connection:connect_to_service",
)

_thread = threading.local()
_lock = threading.RLock()
_library: Library | None = None  # the latest one
_settings: Any = None  # the base settings of all of them
_of_runs: weakref.WeakKeyDictionary[wandb.Run, Library] = weakref.WeakKeyDictionary()
_is_ours_alone: bool | None = None  # True if only we have imported the SDK into this process


class Library:
    """The SDK's process-wide object for one of our runs: with our settings, all else is shared.

    Args:
        real: The SDK's object.
        settings: Settings of the connection to the server.
        stream: The helper process's name of the run. The SDK uses the run id, which another run of the process may
            share: one of another journal, or the training's own.
    """

    def __init__(self, real: Any, settings: Any, stream: str) -> None:
        self.real = real
        self.settings = self.settings_if_loaded = settings
        self.config: dict[str, Any] = {}  # instead of WANDB_CONFIG_PATHS
        self.most_recent_active_run = self._sweep_config = None
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def did_environment_change(self) -> bool:
        """Return False: changes of the environment are ignored."""
        return False

    def update_user_settings(self) -> None:
        """Do nothing: the account's settings are not used."""

    def _load_user_settings(self) -> None:
        """Do nothing: the account's settings may enable saving code."""

    def add_active_run(self, run: Any) -> None:
        """Do nothing: the training's own ``wandb.init`` would finish our run, or continue it."""

    def remove_active_run(self, run: Any) -> None:
        """Do nothing: no run was added."""

    def ensure_service(self) -> Service:
        """Return the real object's helper process, without reading its settings, which the SDK may reject."""
        if self.real._connection is None:
            connect = lookup.find("wandb.sdk.lib.service.service_connection:connect_to_service")
            with getattr(self.real, "_connection_lock", _lock):  # missing before 0.26
                if self.real._connection is None:
                    self.real._connection = connect(self.real.asyncer, self.settings)
        return Service(self.real._connection, self._stream)

    assert_service = ensure_service


class Service:
    """The connection to the helper process, with our own name for the run."""

    def __init__(self, connection: Any, stream: str) -> None:
        self._connection = connection
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def inform_init(self, settings: Any, run_id: str) -> Any:
        """Start a run. In releases without ``Run.write_logs``, tell the helper process to keep captured output.

        Nothing is captured (``console`` is off), but our lines are sent the same way.
        """
        if lookup.find("wandb.sdk.interface.interface:InterfaceBase.publish_output_logger") is None:
            settings.console.value = "wrap_raw"
        return self._connection.inform_init(settings=settings, run_id=self._stream or run_id)

    def make_interface(self, stream_id: str) -> Any:
        """Return a run's interface, in releases before 0.26, where :meth:`inform_init` does not return it."""
        return self._connection.make_interface(stream_id=self._stream or stream_id)

    def inform_finish(self, run_id: str) -> None:
        """End a run."""
        self._connection.inform_finish(run_id=self._stream or run_id)


@contextlib.contextmanager
def apart(library: Library | None) -> Iterator[None]:
    """Use the SDK for one of our runs, in this thread until the end of the block.

    Args:
        library: The result of :func:`prepare` for the run.
    """
    before = getattr(_thread, "library", None)
    _thread.library = library
    try:
        yield
    finally:
        _thread.library = before


def apart_for(run: wandb.Run) -> contextlib.AbstractContextManager[None]:
    """Call :func:`apart` for an open run."""
    return apart(_of_runs.get(run))


def keep(run: wandb.Run, library: Library | None) -> None:
    """Keep a library as long as its run exists."""
    if library is not None:
        _of_runs[run] = library


def prepare(sdk: Any, base_url: str | None, stream: str) -> Library | None:
    """Prepare the start of a run: read the server's settings again, and take over the login of this process.

    Args:
        sdk: The module ``wandb``.
        base_url: The run's server, if it has its own.
        stream: The helper process's name of the run.

    Returns:
        The process-wide object for the run; None if the SDK lacks the required names.
    """
    global _library, _settings
    with _lock:
        if any(lookup.find(name) is None for name in _NEEDED):
            _library = None
            return None
        setup = sys.modules["wandb.sdk.wandb_setup"]
        _install(setup)
        real = setup.singleton.__wrapped__()
        if _settings is None:
            known = sdk.Settings.model_fields
            kept = {key: value for key, value in from_settings_file().items() if key in known}
            _settings = sdk.Settings(**kept, silent=True)
        if real.settings_if_loaded is None:  # else the user's settings decide what is printed
            sdk.termsetup(_settings, None)
        _settings.update_from_env_vars(allowed(ENVIRONMENT))
        # Releases before 0.24 look up an artifact at this object's server, not at the run's.
        settings = _settings.model_copy(update={"base_url": base_url} if base_url else {})
        _log_in(settings, real, settings.base_url)
        _library = Library(real, settings, stream)
        return _library


@contextlib.contextmanager
def hidden(library: Library | None) -> Iterator[None]:
    """Hide the environment variables of runs; the public fallback if there is no library.

    Other threads see the change, so nothing is hidden in a process that uses W&B itself.
    """
    if library is not None or not _is_ours_alone:
        yield
        return
    kept = allowed(ENVIRONMENT)
    before = {name: value for name, value in os.environ.items() if name.startswith("WANDB_") and name not in kept}
    for name in before:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def note_import() -> None:
    """Note whether the SDK is already imported in this process, before it is imported for our runs."""
    global _is_ours_alone
    if _is_ours_alone is None:
        _is_ours_alone = "wandb" not in sys.modules


def is_alone() -> bool:
    """Return True if only our runs use the SDK in this process, as far as known."""
    return bool(_is_ours_alone)


def key() -> str | None:
    """Return the API key of our runs, or None."""
    found: str | None = None if _library is None else _library.settings.api_key
    return found


def _log_in(settings: Any, real: Any, host: str) -> None:
    """Add the login of this process to the settings, or the key stored for the server."""
    session = lookup.find("wandb.sdk.lib.wbauth:session_credentials")
    use = lookup.find("wandb.sdk.lib.wbauth:set_auth_settings")
    if session is None or use is None:
        settings.api_key = key_for(host) or getattr(real.settings_if_loaded, "api_key", None)
        return
    with contextlib.suppress(ValueError):  # an invalid URL: the SDK reports it itself
        found = session(host=host)
        if found is not None:
            use(settings, found)
        elif settings.api_key is None:
            settings.api_key = key_for(host)


def _install(setup: Any) -> None:
    """Replace the SDK's functions, once."""
    original = setup.singleton
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def singleton() -> Any:
        return getattr(_thread, "library", None) or original()

    setup.singleton = singleton
    for name in AMBIENT:
        outer, _, last = name.rpartition("." if "." in name.partition(":")[2] else ":")
        holder = lookup.find(outer) if lookup.find(name) is not None else None
        if holder is not None:
            setattr(holder, last, _unless_ours(getattr(holder, last)))


def _unless_ours(function: Any) -> Any:
    @functools.wraps(function)
    def called(*given: Any, **named: Any) -> Any:
        return None if getattr(_thread, "library", None) else function(*given, **named)

    return called
