"""The courier as a process: ``python -m multitrack.courier``; receives its orders on standard input."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final, TextIO

from multitrack.courier.loop import Courier, Notice
from multitrack.delivery.waiting import Settling
from multitrack.security.redaction import Redactor, secret_values
from multitrack.security.terminal import safe


def main(arguments: list[str] | None = None) -> None:
    """Deliver the runs named on standard input until it closes, then finish and exit.

    The arguments are the journal's directory, for the log, and 1 to lower the process's priority or 0 not to.

    Each line of standard input is a JSON object: ``{"add": directory, "options": {...}, "environment": {...},
    "interval": seconds}``, ``{"nudge": true}``, ``{"lower": true}`` (lower the priority, as training goes on),
    ``{"path": [...]}`` (the training process's module path, for backends named by import path) or ``{"stop": seconds}``
    (the time limit for going on after the input closes; with 0, exit as soon as no lane is in the middle of a step). If
    the input closes without a stop, the training process died: deliver the rest within ``DEAD_LIMIT``.
    """
    journal, lowered = (arguments or sys.argv[1:])[:2]
    redactor = Redactor()
    notice = _detach_output(Path(journal), redactor)
    if int(lowered):
        _lower()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training process, which then sends a stop
    courier = Courier(notice)
    ending = _Ending()
    signal.signal(signal.SIGTERM, lambda *_: ending.stop(10.0))
    threading.Thread(target=_listen, args=(courier, ending, redactor), name="multitrack-listen", daemon=True).start()
    # Also watch the parent: a process forked by the training's C code may keep the pipe open after the training died.
    parent = os.getppid()
    courier.run(lambda: ending.closed.is_set() or os.getppid() != parent)
    ending.closed.wait(LISTEN_LIMIT)  # the last orders may still be unread, new runs among them
    if ending.limit == 0:  # another courier waits for the locks, but not for long
        courier.come_to_rest(EXIT_LIMIT)
        os._exit(0)
    courier.nudge()
    settling = Settling([(lane.directory, lane.name) for lane in courier.lanes() if not lane.done])
    deadline = time.monotonic() + ending.limit
    courier.run(lambda: settling.look() or time.monotonic() > deadline)
    from multitrack.summaries.cached_runs import cache_ended_runs  # noqa: PLC0415 - not needed before

    cache_ended_runs(ending.runs, CACHE_LIMIT)  # no process waits for this one any more
    # SDKs clean up when the interpreter exits; one that hangs there must not keep the process alive
    guard = threading.Timer(EXIT_LIMIT, os._exit, (0,))
    guard.daemon = True
    guard.start()
    if settling.stalled or settling.waiting:
        os._exit(0)


#: Niceness of a courier while training runs. One that replaces a starved courier keeps the training's niceness.
LOWERED: Final = 19
#: Maximum seconds for the SDKs' exit hooks, and for steps in progress when another courier takes over.
EXIT_LIMIT: Final = 10.0
#: Maximum seconds for caching the summaries and curves of ended runs.
CACHE_LIMIT: Final = 30.0
#: Maximum seconds for reading the last orders of a dead training process, if the pipe does not close.
LISTEN_LIMIT: Final = 2.0
#: Maximum seconds that a courier goes on after its training process died.
DEAD_LIMIT: Final = 300.0


class _Ending:
    """The courier's end: the event that starts it, its time limit, and the runs added until then."""

    def __init__(self) -> None:
        self.runs: dict[Path, None] = {}
        self.closed = threading.Event()
        self.limit = DEAD_LIMIT

    def stop(self, limit: float) -> None:
        self.limit = limit
        self.closed.set()


def _listen(courier: Courier, ending: _Ending, redactor: Redactor) -> None:
    for line in sys.stdin:
        try:
            order = json.loads(line)
        except ValueError:
            continue  # cut off by the training process's death: `multitrack sync` finds its runs
        if "path" in order:
            sys.path.extend(part for part in order["path"] if part not in sys.path)
        if "add" in order:
            ending.runs[Path(order["add"])] = None
            os.environ.update(order.get("environment", {}))
            for options in order.get("options", {}).values():
                redactor.add(secret_values(options))
            courier.add(Path(order["add"]), order.get("options"), interval=order.get("interval", 1.0))
        if "lower" in order:
            _lower()
        if "nudge" in order:
            courier.nudge()
        if "stop" in order:
            ending.limit = float(order["stop"])
    ending.closed.set()
    courier.nudge()


def _lower() -> None:
    """Lower the priority of all threads: on Linux each thread has its own, inherited by threads that it starts."""
    threads = Path("/proc/self/task")
    for thread in map(int, os.listdir(threads)) if threads.exists() else (0,):  # noqa: PTH208 - names alone
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, LOWERED)


def _detach_output(journal: Path, redactor: Redactor) -> Notice:
    """Redirect the SDKs' output to a log file, redacted; return a function that writes to the training's stderr too."""
    stream = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    log = _open_log(journal / f"courier-{os.getpid()}.log")
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in ("stdout", "stderr"):
        setattr(sys, name, _Redacted(getattr(sys, name), redactor))
    lock = threading.Lock()

    def notice(text: str) -> None:
        for place in (sys.stderr, stream):  # both the log and the training's stderr: the log's disk may be full
            with lock, contextlib.suppress(OSError, ValueError):
                print(f"multitrack: {safe(text)}", file=place, flush=True)

    return notice


def _open_log(path: Path) -> int:
    """Open the log file; ``/dev/null`` if that fails, or if another user planted something in its place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        fd = os.open(path, flags, 0o600)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            return fd
        os.close(fd)
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


class _Redacted:
    """A stream that redacts its text: SDKs print the address of the server with the password in it."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor

    def write(self, text: str) -> int:
        """Write the text without secrets."""
        self._stream.write(self._redactor.begin(lines=True).text(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


if __name__ == "__main__":
    main()
