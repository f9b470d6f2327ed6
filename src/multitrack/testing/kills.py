"""A courier that can be killed at any step, and started again from its files alone."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from multitrack.delivery.lane import Lane
from multitrack.journal.cursor import Cursor
from multitrack.journal.manifest import read_manifest
from multitrack.plugins import Backend
from multitrack.records import Record


class Killed(BaseException):
    """Stands for ``kill -9``: the courier does nothing after it."""


class MortalLane(Lane):
    """A lane that dies before or after any hook, or before its position is saved.

    Args:
        directory: The run's directory.
        plugin: A new backend object, as in a new process.
        sizes: Maximum number of records of each batch, in turn.
    """

    def __init__(self, directory: Path, plugin: object, sizes: Sequence[int]) -> None:
        self._sizes = itertools.cycle(sizes)
        self._left: int | None = None
        (entry,) = read_manifest(directory).backends
        super().__init__(directory, entry, plugin=plugin, notice=lambda _: None)

    def deliver(self, life: int | None) -> None:
        """Deliver all pending records.

        Args:
            life: Number of events until it is killed; ``None`` if never.

        Raises:
            Killed: The number of events was reached.
            TimeoutError: The lane is not finished or idle after 60 s.
        """
        self._left = life
        deadline = time.monotonic() + 60
        while not self.done and time.monotonic() < deadline:
            if not self.step() and self.idle:
                return
            if self.state.problem is not None:
                time.sleep(0.01)
        if not self.done:
            raise TimeoutError(f"the lane is neither idle nor done: {self.state.problem}")

    @property
    def finds(self) -> bool:
        """True if the backend has the hook ``find_run``."""
        return self._backend.finds

    def find_run(self, run_id: str) -> str | None:
        """Call the hook ``find_run``, as for a parent in another machine's journal."""
        return self._backend.find_run(self._run, run_id)

    def live_on(self) -> None:
        """Count one event, and raise :class:`Killed` after the last."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed

    def _start_over(self) -> None:
        super()._start_over()
        self._cursor = _CutCursor(self.directory, self._sizes)

    def _open(self) -> bool:
        again = super()._open()
        if self.opened:
            self._backend = cast(Backend, _Hooks(self._backend, self.live_on))
        return again

    def _save(self) -> None:
        self.live_on()
        super()._save()


class ThreadedLane(MortalLane):
    """A lane whose every step is made by a new thread, as a pool of workers may do."""

    def __init__(self, directory: Path, plugin: object, sizes: Sequence[int]) -> None:
        super().__init__(directory, plugin, sizes)
        self._last_may_end = threading.Event()

    def step(self) -> bool:
        """Do the next piece of work on a new thread; return True if there is more to do at once.

        The thread of the last step lives until this one has begun: else the system may give both the same number.
        """
        more: list[bool] = []
        is_done, may_end = threading.Event(), threading.Event()

        def work() -> None:
            self._last_may_end.set()
            try:
                more.append(super(ThreadedLane, self).step())
            finally:
                is_done.set()
            may_end.wait()

        threading.Thread(target=work, daemon=True).start()
        is_done.wait()
        self._last_may_end = may_end
        return bool(more) and more[0]

    def release(self) -> None:
        """End the last step's thread as well."""
        super().release()
        self._last_may_end.set()


class _CutCursor(Cursor):
    """A cursor that reads batches of given sizes."""

    def __init__(self, directory: Path, sizes: Iterator[int]) -> None:
        super().__init__(directory)
        self._sizes = sizes

    def read(self, max_records: int = 2000, max_bytes: int = 1 << 20) -> list[Record]:
        return super().read(min(max_records, next(self._sizes)), max_bytes)


class _Hooks:
    """A backend's hooks, with an event before and after each call."""

    def __init__(self, backend: Backend, live_on: Callable[[], None]) -> None:
        self.finds = backend.finds
        self._backend = backend
        self._live_on = live_on

    def __getattr__(self, name: str) -> Any:
        def hook(*arguments: Any) -> Any:
            self._live_on()
            answer = getattr(self._backend, name)(*arguments)
            self._live_on()
            return answer

        return hook
