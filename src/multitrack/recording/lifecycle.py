"""Track the open runs of this process, and handle its exit and forks."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import logging
import os
import sys
import threading
import weakref
from pathlib import Path
from typing import Final

import msgspec

from multitrack.config import Settings
from multitrack.courier.hosts import Host
from multitrack.environment.context import full_context
from multitrack.environment.forks import in_background
from multitrack.journal.fsync import put_on_medium
from multitrack.journal.manifest import write_manifest
from multitrack.journal.provenance import CODE
from multitrack.recording import couriers
from multitrack.recording.open_run import OpenRun
from multitrack.recording.status import ended_by
from multitrack.records import Status
from multitrack.security.redaction import Redactor

log = logging.getLogger("multitrack")

#: The innermost run of this context inside its ``with`` block.
active: Final[contextvars.ContextVar[OpenRun | None]] = contextvars.ContextVar("multitrack_run", default=None)
_open: list[OpenRun] = []
_all: weakref.WeakSet[OpenRun] = weakref.WeakSet()
_lock = threading.RLock()
_gathering: dict[Path, threading.Thread] = {}
_exiting = False


def host_for(settings: Settings) -> Host | None:
    """The courier host of this process for a run; None with ``delivery = "off"``."""
    host = couriers.host_for(settings, _at_exit)
    if host is not None:
        _arm()
    return host


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
        complete = full_context(context, redaction, directory, run.settings.code)
        run.manifest = msgspec.structs.replace(manifest, context=complete, redacted=manifest.redacted + redaction.count)
        try:
            write_manifest(directory, run.manifest)
            if run.settings.fsync:
                kept = [directory / CODE / name for name in (complete.code.files if complete.code else ())]
                for path in (*kept, *{path.parent for path in kept}, directory / "manifest.json"):
                    put_on_medium(path)
        except OSError as error:
            log.warning("multitrack: run %s: its source and packages were not written: %s", manifest.id, error)

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
    couriers.hand_over(open_runs())
    for run in reversed(list(_open)):
        run.end(status)
    couriers.stop_couriers()
    if isinstance(error, KeyboardInterrupt) and not interactive:
        _die_interrupted()


def _die_interrupted() -> None:
    """Let Python die of SIGINT, as after any Ctrl-C: otherwise a shell's loop around the training would go on.

    CPython notes that a program ended with ``KeyboardInterrupt``, and forgets it when an exit hook evaluates source, as
    the import of a module with a named tuple does (``run_eval_code_obj`` in Python/pythonrun.c). This notes it again.
    """
    with contextlib.suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102 - constant source


def _in_forked_child() -> None:
    global _lock
    _lock = threading.RLock()
    couriers.in_forked_child()
    _gathering.clear()
    atexit.unregister(_at_exit)
    for run in list(_all):
        run.after_fork()


os.register_at_fork(after_in_child=_in_forked_child)
