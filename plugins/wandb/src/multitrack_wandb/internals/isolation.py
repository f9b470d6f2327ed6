"""Keeps our runs apart from what the process is set up for, by private names of the SDK.

``wandb.init`` begins with the settings of the SDK's process-wide object: every ``WANDB_*`` variable, two settings
files, what a cloud's job says. Some of them win over the arguments of ``wandb.init`` (a sweep's id and params, W&B
Launch), and none can be unset by them. In a courier the variables are not there. In the training's own process, in a
notebook and in ``multitrack sync`` they are the user's, who may be using W&B at the same time. So in our threads, and
in no other, that object is one with settings of our own: the way to the server, and nothing about runs.

Where a release lacks one of these names, the variables that are about runs are hidden for as long as a run starts, in
processes that do not use W&B themselves.
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

#: What else takes part in a run because of where the process is.
AMBIENT: Final = (
    "wandb.sdk.wandb_config:Config._load_defaults",  # config-defaults.yaml in the current directory
    "wandb.env:get_launch_queue_name",  # W&B Launch
    "wandb.env:get_launch_queue_entity",
    "wandb.env:get_launch_trace_id",
    "wandb.integration.weave:init_weave_if_imported",  # would connect the training's Weave with our project
)
#: Without these there is no keeping apart.
_NEEDED: Final = (
    "wandb.sdk.wandb_setup:singleton",
    "wandb.sdk.wandb_setup:_WandbSetup.ensure_service",
    "wandb.sdk.wandb_setup:_WandbSetup.settings_if_loaded",
    "wandb.sdk.wandb_setup:_WandbSetup.asyncer",
    "wandb.sdk.lib.service.service_connection:connect_to_service",
)

_thread = threading.local()
_lock = threading.RLock()
_library: Library | None = None  # the last one
_settings: Any = None  # what all of them begin with
_of_runs: weakref.WeakKeyDictionary[wandb.Run, Library] = weakref.WeakKeyDictionary()
_is_ours_alone: bool | None = None  # whether nobody else imported the SDK into this process


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
            connect = lookup.find("wandb.sdk.lib.service.service_connection:connect_to_service")
            with getattr(self.real, "_connection_lock", _lock):  # which releases before 0.26 lack
                if self.real._connection is None:
                    self.real._connection = connect(self.real.asyncer, self.settings)
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
        """A run begins; in releases without ``Run.write_logs``, one whose captured output the helper process keeps.

        Nothing is captured: that is decided elsewhere. But the lines come by the same way.
        """
        if lookup.find("wandb.sdk.interface.interface:InterfaceBase.publish_output_logger") is None:
            settings.console.value = "wrap_raw"
        return self._connection.inform_init(settings=settings, run_id=self._stream or run_id)

    def make_interface(self, stream_id: str) -> Any:
        """Its records, in releases before 0.26, where a run's interface is not what :meth:`inform_init` returns."""
        return self._connection.make_interface(stream_id=self._stream or stream_id)

    def inform_finish(self, run_id: str) -> None:
        """It is over."""
        self._connection.inform_finish(run_id=self._stream or run_id)


@contextlib.contextmanager
def apart(library: Library | None) -> Iterator[None]:
    """In this thread and until the end of the block, what the SDK does, it does for a run of ours.

    Args:
        library: What :func:`prepare` returned for it.
    """
    before = getattr(_thread, "library", None)
    _thread.library = library
    try:
        yield
    finally:
        _thread.library = before


def apart_for(run: wandb.Run) -> contextlib.AbstractContextManager[None]:
    """:func:`apart` for a run that is open."""
    return apart(_of_runs.get(run))


def keep(run: wandb.Run, library: Library | None) -> None:
    """Keep a library for as long as its run is there."""
    if library is not None:
        _of_runs[run] = library


def prepare(sdk: Any, base_url: str | None, stream: str) -> Library | None:
    """Before a run is started: read the way to the server anew, and take over the login that this process has.

    Args:
        sdk: The module ``wandb``.
        base_url: The run's server, if it has one of its own.
        stream: What the helper process is to know the run by.

    Returns:
        What the run is to see; None where the SDK lacks the names for it.
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
        if real.settings_if_loaded is None:  # else the user's own, which say what is printed
            sdk.termsetup(_settings, None)
        _settings.update_from_env_vars(allowed(ENVIRONMENT))
        # Releases before 0.24 look an artifact up at this object's server, not at the run's.
        settings = _settings.model_copy(update={"base_url": base_url} if base_url else {})
        _log_in(settings, real, settings.base_url)
        _library = Library(real, settings, stream)
        return _library


@contextlib.contextmanager
def hidden(library: Library | None) -> Iterator[None]:
    """Hide the variables that are about runs, where no library of ours does it; the public way.

    Other threads see the change. So nothing is hidden in a process that uses W&B itself.
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
    """Note whether the SDK is in this process already, before it is imported for our runs."""
    global _is_ours_alone
    if _is_ours_alone is None:
        _is_ours_alone = "wandb" not in sys.modules


def is_alone() -> bool:
    """Whether only our runs use the SDK in this process, as far as is known."""
    return bool(_is_ours_alone)


def key() -> str | None:
    """The key that our runs show the server."""
    found: str | None = None if _library is None else _library.settings.api_key
    return found


def _log_in(settings: Any, real: Any, host: str) -> None:
    """Give settings the login that this process has, or the key that is kept for the server."""
    session = lookup.find("wandb.sdk.lib.wbauth:session_credentials")
    use = lookup.find("wandb.sdk.lib.wbauth:set_auth_settings")
    if session is None or use is None:
        settings.api_key = key_for(host) or getattr(real.settings_if_loaded, "api_key", None)
        return
    with contextlib.suppress(ValueError):  # no URL: the SDK says so, in its own words
        found = session(host=host)
        if found is not None:
            use(settings, found)
        elif settings.api_key is None:
            settings.api_key = key_for(host)


def _install(setup: Any) -> None:
    """Replace the names, once."""
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
