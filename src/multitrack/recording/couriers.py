"""The courier hosts of this process, one for each kind of delivery; the first run that needs one starts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from multitrack.config import Settings
from multitrack.courier.hosts import Host
from multitrack.courier.process_host import ProcessHost
from multitrack.courier.thread_host import ThreadHost
from multitrack.recording.open_run import OpenRun

#: Seconds that a courier may go on at exit, after the wait at the run's end.
EXIT_LIMIT: Final = 5.0

_hosts: dict[str, Host] = {}
_lock = threading.RLock()
_detach_limit: list[float] = []


def host_for(settings: Settings, at_exit: Callable[[], None]) -> Host | None:
    """The courier host for the configured ``delivery``; None with ``delivery = "off"``.

    Args:
        settings: The settings of the run.
        at_exit: Called by the thread host when the interpreter exits, before its thread has to end.
    """
    if settings.delivery == "off":
        return None
    kind = settings.courier if settings.delivery == "process" else settings.delivery
    with _lock:
        if kind not in _hosts:
            if kind == "thread":
                host = ThreadHost()
                host.at_exit = at_exit
                _hosts[kind] = host
            elif kind == "node":
                from multitrack.courier.node_host import NodeHost  # noqa: PLC0415 - sockets, which most do not need

                _hosts[kind] = NodeHost(Path(settings.journal))
            else:
                _hosts[kind] = ProcessHost(Path(settings.journal))
        if settings.exit == "detach":
            _detach_limit.append(settings.detach_limit)
        return _hosts[kind]


def hand_over(runs: Sequence[OpenRun]) -> None:
    """At interpreter exit, move runs that the thread host has not opened yet to a courier process."""
    thread = _hosts.get("thread")
    if not isinstance(thread, ThreadHost):
        return
    waiting = thread.let_go()
    for run in runs:
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


def in_forked_child() -> None:
    """Forget the couriers, which are the parent's."""
    global _lock
    _lock = threading.RLock()
    for host in _hosts.values():
        host.after_fork()
    _hosts.clear()
