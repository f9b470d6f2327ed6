"""The courier: the loop that drives lanes. One piece of code with three hosts.

- A child process, the default: ``python -m multitrack.courier JOURNAL``, told of runs through its standard
  input. It survives the training process's crash and keeps trackers' SDKs out of it.
- A thread of the training process (``delivery = "thread"``).
- ``multitrack sync``.

What a courier knows it reads from the disk, and what it did it writes there
(:class:`~multitrack.delivery.lane.LaneState`), so that nobody ever waits for an answer from it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import resource
import signal
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

from multitrack.delivery.lane import Lane
from multitrack.delivery.trust import Trust
from multitrack.delivery.waiting import Settling
from multitrack.errors import JournalError
from multitrack.journal import manifest as manifests
from multitrack.security.redaction import Redactor, secret_values
from multitrack.security.terminal import safe

#: Worker threads a backend has, so that a hung run does not hold up the same tracker's others.
WORKERS: Final = 4
#: Runs of a backend that are taken on at a time; the next is opened when one of them is done, or rests. Thousands of
#: runs open in a tracker's SDK at once would take memory without end.
AT_ONCE: Final = 100
#: Seconds between looks at all lanes, at most.
_LONGEST_LOOK: Final = 1.0
#: How much longer than it took a look at all lanes leaves the workers alone.
_LET_WORK: Final = 4

Notice = Callable[[str], None]


class Courier:
    """Drives the lanes of any number of runs with a bounded pool of workers for each backend.

    Args:
        notice: Called, from a worker, with a sentence for the user.
        after_open: Called after each step of a lane, from its worker (the thread host keeps its exit hook last).
        trust: What journals are believed, for lanes that no training process told of.
    """

    def __init__(
        self,
        notice: Notice,
        after_open: Callable[[], None] | None = None,
        trust: Trust | None = None,
    ) -> None:
        self._notice = notice
        self._after_open = after_open
        self._trust = trust
        self._lanes: dict[tuple[Path, str], Lane] = {}
        self._workers: dict[str, _Workers] = {}
        self._resting = False
        self._wake = threading.Event()
        self._lock = threading.Lock()

    def add(
        self,
        directory: Path,
        options: dict[str, dict[str, Any]] | None = None,
        objects: dict[str, object] | None = None,
        interval: float = 1.0,
    ) -> list[Lane]:
        """Take on the lanes of a run, those that need something done.

        Args:
            directory: The run's directory.
            options: Backends' options with their secrets, by name; default: the manifest's.
            objects: Backend objects of this process, by name.
            interval: Seconds between looks at the run's journal.
        """
        try:
            manifests.check_links(directory)
            manifest = manifests.read_manifest(directory)
        except JournalError as error:
            self._notice(str(error))
            return []
        lanes = []
        for entry in manifest.backends:
            lane = Lane(
                directory, entry, options=(options or {}).get(entry.name), plugin=(objects or {}).get(entry.name),
                notice=self._notice, trust=self._trust, interval=interval,
            )  # fmt: skip
            with self._lock:
                before = self._lanes.get((directory, entry.name))
                if before is not None and not before.done:
                    before.pace.interval = interval
                    lanes.append(before)  # the same run, resumed by the same process
                    continue
                if before is not None:
                    before.release()
                self._lanes[directory, entry.name] = lane
            lanes.append(lane)
        self._wake.set()
        return lanes

    def nudge(self) -> None:
        """Look at once, and let lanes that wait before another try do it now."""
        with self._lock:
            for lane in self._lanes.values():
                lane.pace.hurry()
        self._wake.set()

    def run(self, finished: Callable[[], bool]) -> None:
        """Drive the lanes until ``finished()``, asked after each look."""
        while True:
            began = time.thread_time()
            self._tick()
            if finished():
                return
            # Thousands of lanes, each of which wakes us as it gets ready: most of the time is theirs all the same.
            time.sleep(min(_LET_WORK * (time.thread_time() - began), _LONGEST_LOOK))
            self._wake.wait(self._pause())
            self._wake.clear()

    def come_to_rest(self, seconds: float) -> None:
        """Let each lane end the step that it is at, whose position is saved then, and begin no other."""
        self._resting = True
        deadline = time.monotonic() + seconds
        while any(lane.busy for lane in self.lanes()) and time.monotonic() < deadline:
            time.sleep(0.01)

    def let_go(self) -> set[Path]:
        """Give up the lanes that have not opened their run yet; the directories of those runs."""
        with self._lock:
            waiting = [key for key, lane in self._lanes.items() if not lane.opened and not lane.done]
            for key in waiting:
                self._lanes.pop(key).abandon()
        return {directory for directory, _ in waiting}

    def close(self) -> None:
        """Give up all lanes; their SDKs are left to the process's end."""
        with self._lock:
            for lane in self._lanes.values():
                lane.abandon()
            self._lanes.clear()

    def lanes(self) -> list[Lane]:
        """The lanes being driven."""
        with self._lock:
            return list(self._lanes.values())

    def _pause(self) -> float:
        now = time.monotonic()
        paces = [lane.pace for lane in self.lanes() if not lane.busy and not lane.done]
        # One that is due already has to wait for others to be opened, and is not asked for without a pause.
        return min([_LONGEST_LOOK, *(pace.due - now if pace.due > now else pace.interval for pace in paces)])

    def _tick(self) -> None:
        now = time.monotonic()
        lanes = self.lanes()
        busy = Counter(lane.name for lane in lanes if lane.busy)
        for lane in lanes:
            if lane.done and not lane.busy:
                lane.release()
                with self._lock:
                    if self._lanes.get((lane.directory, lane.name)) is lane:
                        del self._lanes[lane.directory, lane.name]
            elif (lane.opened or busy[lane.name] < AT_ONCE) and lane.wants(now):
                lane.busy = True
                busy[lane.name] += 1
                self._pool(lane.name).put(lane)

    def _pool(self, backend: str) -> _Workers:
        if backend not in self._workers:
            self._workers[backend] = _Workers(f"multitrack-{backend}", self._work)
        return self._workers[backend]

    def _work(self, lane: Lane) -> None:
        try:
            again = not self._resting and lane.step()
        except BaseException as error:  # noqa: BLE001 - a thread that dies would hold the lane for ever
            again = lane.give_up(error)
        if self._after_open is not None:
            self._after_open()
        if again and not lane.done and not self._resting:
            self._pool(lane.name).put(lane)  # behind the others: a long lane does not starve a short one
        else:
            lane.pace.look_again()
            lane.busy = False
            self._wake.set()


class _Workers:
    """A few daemon threads with a queue.

    Not a ThreadPoolExecutor: that one refuses work as soon as the interpreter begins to exit, which is
    when the last records are delivered.
    """

    def __init__(self, name: str, work: Callable[[Lane], None]) -> None:
        self._name = name
        self._work = work
        self._queue: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def put(self, lane: Lane) -> None:
        self._queue.put(lane)
        with self._lock:
            if len(self._threads) < WORKERS:
                name = f"{self._name}-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()

    def _serve(self) -> None:
        while True:
            self._work(self._queue.get())


def main(arguments: list[str] | None = None) -> None:
    """The courier as a process: serve the runs named on standard input until it closes, then finish and go.

    Its arguments are the journal's directory, for the log, and whether to lower its priority (0 or 1).

    Each line of standard input is a JSON object: ``{"add": directory, "options": {...}, "environment": {...},
    "interval": seconds}``, ``{"nudge": true}``, ``{"lower": true}`` (training goes on), ``{"path": [...]}`` (the
    training process's module path, for backends named by import path) or ``{"stop": seconds}``: when the input closes,
    go on for at most so long; with 0, end as soon as no lane is in the middle of a step. Without a stop, a closed
    input means that the training process died: what it left is delivered within ``DEAD_LIMIT``.
    """
    journal, lowered = (arguments or sys.argv[1:])[:2]
    redactor = Redactor()
    notice = _detach_output(Path(journal), redactor)
    if int(lowered):
        _lower()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training process, which then tells us
    courier = Courier(notice)
    ending = _Ending()
    signal.signal(signal.SIGTERM, lambda *_: ending.stop(10.0))
    threading.Thread(target=_listen, args=(courier, ending, redactor), name="multitrack-listen", daemon=True).start()
    # Or by another parent: a process forked by training's C code may hold the pipe open after its death.
    parent = os.getppid()
    courier.run(lambda: ending.closed.is_set() or os.getppid() != parent)
    ending.closed.wait(LISTEN_LIMIT)  # its last words may still be unread, the runs that it told of among them
    if ending.limit == 0:  # another courier waits for the locks, not for long
        courier.come_to_rest(EXIT_LIMIT)
        os._exit(0)
    courier.nudge()
    settling = Settling([(lane.directory, lane.name) for lane in courier.lanes() if not lane.done])
    deadline = time.monotonic() + ending.limit
    courier.run(lambda: settling.look() or time.monotonic() > deadline)
    from multitrack.summaries.keep import keep_all  # noqa: PLC0415 - in its own time

    keep_all(ending.runs, KEEP_LIMIT)  # nobody waits for us any more
    # SDKs clean up behind them as the interpreter exits; one that hangs there must not keep the process
    guard = threading.Timer(EXIT_LIMIT, os._exit, (0,))
    guard.daemon = True
    guard.start()
    if settling.stalled or settling.waiting:
        os._exit(0)


#: Niceness of a courier while training runs. Once training has ended and waits, it is the training's own.
LOWERED: Final = 19
#: Seconds that the SDKs' exit hooks have.
EXIT_LIMIT: Final = 10.0
#: Seconds for the summaries and curves of the runs that are over.
KEEP_LIMIT: Final = 30.0
#: Seconds for reading what a dead training process has said, where the end of it is not seen.
LISTEN_LIMIT: Final = 2.0
#: Seconds that a courier goes on after its training process died.
DEAD_LIMIT: Final = 300.0


class _Ending:
    """When and for how long the courier finishes, and what was delivered until then."""

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
            continue  # cut off by the training process's death: its runs are found by `multitrack sync`
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
    """Lower the priority of all threads: to Linux each has its own, and passes it on to those that it starts."""
    threads = Path("/proc/self/task")
    for thread in map(int, os.listdir(threads)) if threads.exists() else (0,):  # noqa: PTH208 - names alone
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, LOWERED)


def _detach_output(journal: Path, redactor: Redactor) -> Notice:
    """Send what SDKs print to a log file, without secrets; give back how to say something on the training's stderr."""
    stream = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    log = _open_log(journal / f"courier-{os.getpid()}.log")
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in ("stdout", "stderr"):
        setattr(sys, name, _Redacted(getattr(sys, name), redactor))
    lock = threading.Lock()

    def notice(text: str) -> None:
        for place in (sys.stderr, stream):  # the log, and the training's stderr: a full disk is no reason for silence
            with lock, contextlib.suppress(OSError, ValueError):
                print(f"multitrack: {safe(text)}", file=place, flush=True)

    return notice


def _open_log(path: Path) -> int:
    """The log, of which the journal's directory may be one that others can write to; else nowhere."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        fd = os.open(path, flags, 0o600)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            return fd
        os.close(fd)
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


class _Redacted:
    """A stream whose texts are redacted: SDKs print the address of the server, with the password that is in it."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor

    def write(self, text: str) -> int:
        """Write the text without secrets."""
        self._stream.write(self._redactor.begin(lines=True).text(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
