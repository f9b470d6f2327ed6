"""Track the open runs and couriers of this process, and handle its exit and forks."""

from __future__ import annotations

import atexit
import contextvars
import logging
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Final, Protocol

import msgspec

from multitrack.config import Settings
from multitrack.courier.hosts import Delivery, Host
from multitrack.courier.process_host import ProcessHost
from multitrack.courier.thread_host import ThreadHost
from multitrack.environment.context import full_context
from multitrack.environment.forks import in_background
from multitrack.journal.fsync import put_on_medium
from multitrack.journal.manifest import Manifest, write_manifest
from multitrack.recording.run_journal import ended_by
from multitrack.records import Status
from multitrack.security.redaction import Redactor

log = logging.getLogger("multitrack")

#: Seconds that a courier may go on at exit, after the wait at the run's end.
EXIT_LIMIT: Final = 5.0


class OpenRun(Protocol):
    """The part of :class:`~multitrack.recording.run.Run` that this module uses."""

    manifest: Manifest
    directory: Path | None
    settings: Settings
    delivery: Delivery

    def end(self, status: Status = "finished") -> object:
        """End the run."""

    def after_fork(self) -> None:
        """Called in a forked child."""


#: The innermost run of this context inside its ``with`` block.
active: Final[contextvars.ContextVar[OpenRun | None]] = contextvars.ContextVar("multitrack_run", default=None)
_open: list[OpenRun] = []
_all: weakref.WeakSet[OpenRun] = weakref.WeakSet()
_hosts: dict[str, Host] = {}
_lock = threading.RLock()
_gathering: dict[Path, threading.Thread] = {}
_detach_limit: list[float] = []
_exiting = False


def host_for(settings: Settings) -> Host | None:
    """The courier host of this process for the configured ``delivery``; None with ``delivery = "off"``."""
    kind = settings.delivery
    if kind == "off":
        return None
    with _lock:
        if kind not in _hosts:
            if kind == "thread":
                host = ThreadHost()
                host.at_exit = _at_exit
                _hosts[kind] = host
            else:
                _hosts[kind] = ProcessHost(Path(settings.journal))
            _arm()
        if settings.exit == "detach":
            _detach_limit.append(settings.detach_limit)
        return _hosts[kind]


def remember(run: OpenRun) -> None:
    """Add a run to the open runs of this process."""
    with _lock:
        _open.append(run)
        _all.add(run)
    _arm()


def forget(run: OpenRun) -> None:
    """Remove a run from the open runs, as it has ended."""
    with _lock:
        if run in _open:
            _open.remove(run)


def open_runs() -> list[OpenRun]:
    """The open runs, in the order of their start."""
    with _lock:
        return list(_open)


def last_open() -> OpenRun | None:
    """The most recently started run that is still open; None if there is none."""
    with _lock:
        return _open[-1] if _open else None


def training_has_ended() -> bool:
    """Return True if no run is open, or the interpreter is exiting: delivery can no longer slow down training."""
    with _lock:
        return not _open or _exiting


def gather_context(run: OpenRun, directory: Path, redactor: Redactor) -> None:
    """Complete the manifest's context in a background thread, and rewrite the manifest."""
    manifest, context = run.manifest, run.manifest.context
    if context is None or context.complete:
        return

    def gather() -> None:
        redaction = redactor.begin()
        complete = full_context(context, redaction)
        run.manifest = msgspec.structs.replace(manifest, context=complete, redacted=manifest.redacted + redaction.count)
        try:
            write_manifest(directory, run.manifest)
            if run.settings.fsync:
                put_on_medium(directory / "manifest.json")
        except OSError as error:
            log.warning("multitrack: run %s: git state and packages were not written: %s", manifest.id, error)

    thread = in_background(gather, "multitrack-context")
    if thread is not None:
        _gathering[directory] = thread


def join_context(run: OpenRun) -> None:
    """Wait until the run's manifest is complete, at most 10 seconds."""
    thread = _gathering.pop(run.directory, None) if run.directory is not None else None
    if thread is not None:
        thread.join(10.0)


def _arm() -> None:
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def _at_exit() -> None:
    """End all open runs, children first, and stop the couriers."""
    global _exiting
    _exiting = True
    status: Status = "finished"
    error = getattr(sys, "last_value", None)
    interactive = hasattr(sys, "ps1") or "IPython" in sys.modules
    if error is not None and not interactive:  # sys.last_value is set when an uncaught exception is printed
        status = ended_by(error)
    _hand_over()
    for run in reversed(list(_open)):
        run.end(status)
    stop_couriers()


def _hand_over() -> None:
    """At interpreter exit, move runs that the thread host has not opened yet to a courier process."""
    thread = _hosts.get("thread")
    if not isinstance(thread, ThreadHost):
        return
    waiting = thread.let_go()
    for run in _open:
        if run.directory in waiting and not run.delivery.objects:
            host = _hosts.setdefault("process", ProcessHost(Path(run.settings.journal)))
            host.add(run.directory, run.delivery)


def stop_couriers() -> None:
    """Let the couriers of this process finish and exit; the next run starts a new one."""
    with _lock:
        for host in _hosts.values():
            host.stop(max(_detach_limit, default=EXIT_LIMIT))
        _hosts.clear()
        _detach_limit.clear()


def _in_forked_child() -> None:
    global _lock
    _lock = threading.RLock()
    for host in _hosts.values():
        if isinstance(host, ProcessHost):
            host.after_fork()
    _hosts.clear()
    _gathering.clear()
    atexit.unregister(_at_exit)
    for run in list(_all):
        run.after_fork()


os.register_at_fork(after_in_child=_in_forked_child)
