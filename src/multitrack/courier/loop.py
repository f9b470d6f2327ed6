"""The courier: the loop that drives lanes. The same code has four hosts.

- A child process, the default: ``python -m multitrack.courier``, which gets its orders through standard
  input. It survives the training process's crash and keeps trackers' SDKs out of it.
- A process that several training processes share (``courier = "node"``): one loop for each of them.
- A thread of the training process (``delivery = "thread"``).
- ``multitrack sync``.

A courier reads its input from the disk and writes its progress there
(:class:`~multitrack.delivery.lane_state.LaneState`), so no process ever waits for an answer from it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from multitrack.delivery.lane import Lane
from multitrack.delivery.trust import Trust
from multitrack.errors import JournalError
from multitrack.journal.layout import check_links
from multitrack.journal.manifest import read_manifest
from multitrack.journal.prepared import prepared

if TYPE_CHECKING:
    from multitrack.courier.alerting import Alerting
    from multitrack.courier.compacting import Compactor

#: Worker threads per backend, so that a hung run does not delay the other runs of the same tracker.
WORKERS: Final = 4
#: Maximum number of busy lanes per backend; another run is opened only below it. Thousands of runs open in a tracker's
#: SDK at once would take too much memory.
AT_ONCE: Final = 100
#: Maximum seconds between checks of all lanes.
_LONGEST_LOOK: Final = 1.0
#: Pause after a check of all lanes, as a multiple of the processor time that it took.
_LET_WORK: Final = 4

Notice = Callable[[str], None]


class Courier:
    """Drives the lanes of any number of runs with a bounded pool of workers for each backend.

    Args:
        notice: Called from a worker thread, with a sentence for the user.
        after_open: Called after each step of a lane, from its worker (the thread host keeps its exit hook last).
        trust: Trusted contents of journals, for lanes without options from a training process.
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
        self._alerting: Alerting | None = None
        self._compactors: dict[Path, Compactor] = {}
        self._wake = threading.Event()
        self._lock = threading.Lock()

    def add(
        self,
        directory: Path,
        options: dict[str, dict[str, Any]] | None = None,
        objects: dict[str, object] | None = None,
        interval: float = 1.0,
        only: Collection[str] = (),
    ) -> list[Lane]:
        """Add the lanes of a run.

        Args:
            directory: The run's directory.
            options: The backends' options with their secrets, by name; default: the manifest's.
            objects: Backend objects of this process, by name.
            interval: Seconds between checks of the run's journal.
            only: Names of the backends to deliver to; default: all.

        Returns:
            The lanes of these backends; empty if the journal cannot be read, which is reported as a notice.
        """
        try:
            check_links(directory)
            manifest = read_manifest(directory)
        except JournalError as error:
            self._notice(str(error))
            return []
        lanes = []
        for entry in manifest.backends:
            if only and entry.name not in only:
                continue
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

    def watch(self, directory: Path, alerts: dict[str, Any], interval: float = 1.0) -> None:
        """Evaluate the alerts of a run's journal as records arrive.

        Args:
            directory: The run's directory.
            alerts: The checked alerts of the run's config, as plain values.
            interval: Seconds between looks.
        """
        import msgspec  # noqa: PLC0415 - couriers of runs without alerts import none of this

        from multitrack.alerts.configured import Plan  # noqa: PLC0415
        from multitrack.courier.alerting import Alerting  # noqa: PLC0415

        if self._alerting is None:
            self._alerting = Alerting(self._notice)
        self._alerting.add(directory, msgspec.convert(alerts, prepared(Plan)), interval)

    def compact(self, directory: Path, seconds: float) -> None:
        """Compact old records of a run's journal, each run as its config said.

        Args:
            directory: The run's directory.
            seconds: Seconds between looks.
        """
        from multitrack.courier.compacting import Compactor  # noqa: PLC0415 - most couriers have nothing to compact

        journal = directory.parent.parent
        if journal not in self._compactors:
            self._compactors[journal] = Compactor(journal, seconds, self._notice)

    def finish_alerts(self, seconds: float, *, look: bool = True) -> None:
        """End the evaluation of alerts.

        Args:
            seconds: Maximum seconds to wait.
            look: True to evaluate all records before.
        """
        if self._alerting is not None:
            self._alerting.finish(seconds, look=look)

    def nudge(self) -> None:
        """Check all lanes at once, and let lanes that wait for a retry try now."""
        if self._alerting is not None:
            self._alerting.nudge()
        with self._lock:
            for lane in self._lanes.values():
                lane.pace.hurry()
        self._wake.set()

    def run(self, finished: Callable[[], bool]) -> None:
        """Drive the lanes until ``finished()`` returns True; it is called after each check of the lanes."""
        while True:
            began = time.thread_time()
            self._tick()
            if finished():
                return
            # Thousands of lanes may wake this loop all the time: leave most of the processor time to the workers.
            time.sleep(min(_LET_WORK * (time.thread_time() - began), _LONGEST_LOOK))
            self._wake.wait(self._pause())
            self._wake.clear()

    def come_to_rest(self, seconds: float) -> None:
        """Let each lane finish its current step, which saves its position, and start no other.

        Args:
            seconds: Maximum seconds to wait.
        """
        self._resting = True
        deadline = time.monotonic() + seconds
        while any(lane.busy for lane in self.lanes()) and time.monotonic() < deadline:
            time.sleep(0.01)

    def let_go(self) -> set[Path]:
        """Abandon the lanes that have not opened their run yet; return the directories of those runs."""
        with self._lock:
            waiting = [key for key, lane in self._lanes.items() if not lane.opened and not lane.done]
            for key in waiting:
                self._lanes.pop(key).abandon()
        return {directory for directory, _ in waiting}

    def close(self) -> None:
        """Abandon all lanes; their SDKs are cleaned up when the process exits."""
        with self._lock:
            for lane in self._lanes.values():
                lane.abandon()
            self._lanes.clear()
        self.end_threads()

    def end_threads(self) -> None:
        """End the threads of this courier that are not in the middle of a step."""
        for workers in list(self._workers.values()):
            workers.end()
        for compactor in self._compactors.values():
            compactor.end()

    def lanes(self) -> list[Lane]:
        """The lanes being driven."""
        with self._lock:
            return list(self._lanes.values())

    def _pause(self) -> float:
        now = time.monotonic()
        paces = [lane.pace for lane in self.lanes() if not lane.busy and not lane.done]
        # A lane that is already due waits until others are done (AT_ONCE): check it after its interval, not at once.
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
        except BaseException as error:  # noqa: BLE001 - a thread that dies would keep the lane busy for ever
            again = lane.give_up(error)
        if self._after_open is not None:
            self._after_open()
        if again and not lane.done and not self._resting:
            self._pool(lane.name).put(lane)  # at the end of the queue, so that a long lane does not starve a short one
        else:
            lane.pace.look_again()
            lane.busy = False
            self._wake.set()


class _Workers:
    """A few daemon threads with a queue.

    Not a ThreadPoolExecutor: it refuses work once the interpreter begins to exit, which is
    when the last records are delivered.
    """

    def __init__(self, name: str, work: Callable[[Lane], None]) -> None:
        self._name = name
        self._work = work
        self._queue: queue.SimpleQueue[Lane | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._waiting = 0  # lanes in the queue, and with workers
        self._lock = threading.Lock()

    def put(self, lane: Lane) -> None:
        self._queue.put(lane)
        with self._lock:
            self._waiting += 1
            if len(self._threads) < min(self._waiting, WORKERS):
                name = f"{self._name}-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()

    def end(self) -> None:
        """End each thread after its present step."""
        for _ in range(WORKERS):
            self._queue.put(None)

    def _serve(self) -> None:
        while (lane := self._queue.get()) is not None:
            self._work(lane)
            with self._lock:
                self._waiting -= 1
