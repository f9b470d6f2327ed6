"""The courier as a process: ``python -m multitrack.courier``; receives its orders on standard input."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from multitrack.courier.following import follow
from multitrack.courier.limits import CACHE_LIMIT, DEAD_LIMIT, EXIT_LIMIT, LISTEN_LIMIT
from multitrack.courier.loop import Courier, Notice
from multitrack.courier.orders import Ending, parsed
from multitrack.courier.output import redirect, show_alerts
from multitrack.courier.priority import lower_process
from multitrack.delivery.waiting import Settling
from multitrack.security.redaction import Redactor
from multitrack.security.terminal import safe


def main(arguments: list[str] | None = None) -> None:
    """Deliver the runs named on standard input until it closes, then finish and exit.

    The arguments are the journal's directory, for the log, and 1 to lower the process's priority or 0 not to.

    Each line of standard input is an order (:mod:`multitrack.courier.orders`). If the input closes without a stop, the
    training process died: deliver the rest within ``DEAD_LIMIT``.

    With ``--node`` as the first argument, this is the courier that several processes share
    (:mod:`multitrack.courier.node`).
    """
    given = arguments or sys.argv[1:]
    if given[0] == "--node":
        from multitrack.courier.node import main as shared  # noqa: PLC0415 - one of the two is needed

        shared(given[1:])
        return
    journal, lowered = given[:2]
    redactor = Redactor()
    notice = _notice(redactor, Path(journal))
    if int(lowered):
        lower_process()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training process, which then sends a stop
    courier = Courier(notice)
    ending = Ending(DEAD_LIMIT)
    signal.signal(signal.SIGTERM, lambda *_: ending.stop(10.0))
    threading.Thread(target=_listen, args=(courier, ending, redactor), name="multitrack-listen", daemon=True).start()
    # Also watch the parent: a process forked by the training's C code may keep the pipe open after the training died.
    parent = os.getppid()
    courier.run(lambda: ending.closed.is_set() or os.getppid() != parent)
    ending.closed.wait(LISTEN_LIMIT)  # the last orders may still be unread, new runs among them
    if ending.limit == 0:  # another courier waits for the locks, but not for long
        courier.come_to_rest(EXIT_LIMIT)
        courier.finish_alerts(LISTEN_LIMIT, look=False)
        os._exit(0)
    courier.nudge()
    settling = Settling([(lane.directory, lane.name) for lane in courier.lanes() if not lane.done])
    deadline = time.monotonic() + ending.limit
    courier.run(lambda: settling.look() or time.monotonic() > deadline)
    courier.finish_alerts(EXIT_LIMIT)
    from multitrack.summaries.cached_runs import cache_ended_runs  # noqa: PLC0415 - not needed before

    cache_ended_runs(ending.runs, CACHE_LIMIT)  # no process waits for this one any more
    # SDKs clean up when the interpreter exits; one that hangs there must not keep the process alive
    guard = threading.Timer(EXIT_LIMIT, os._exit, (0,))
    guard.daemon = True
    guard.start()
    if settling.stalled or settling.waiting:
        os._exit(0)


def _listen(courier: Courier, ending: Ending, redactor: Redactor) -> None:
    for order in parsed(sys.stdin):
        os.environ.update(order.get("environment", {}))
        follow(order, courier, ending, redactor)
        if "lower" in order:
            lower_process()
    ending.closed.set()
    courier.nudge()


def _notice(redactor: Redactor, journal: Path) -> Notice:
    """Redirect the SDKs' output to a log file; return a function that writes to it and to the training's stderr."""
    stream = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    redirect(journal, redactor)
    lock = threading.Lock()

    def notice(text: str) -> None:
        for place in (sys.stderr, stream):  # both the log and the training's stderr: the log's disk may be full
            with lock, contextlib.suppress(OSError, ValueError):
                print(f"multitrack: {safe(text)}", file=place, flush=True)

    show_alerts(notice)
    return notice


if __name__ == "__main__":
    main()
