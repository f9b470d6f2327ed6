"""Let the chief of a distributed search notice workers that are gone for good.

KerasTuner's chief hears from a worker only as a trial begins and as it ends. It keeps the trial for that tuner id, and
serves until every worker has asked for one more trial: for a worker that died it waits forever (keras_tuner 1.4.8,
``distribute/oracle_chief.py`` and ``Oracle.create_trial``). So a worker writes a sign of life beside its notes, and
the chief ends the trial of a worker without a new one for ``worker_timeout`` seconds, as KerasTuner ends a trial that
raised. The clocks of the machines are not compared.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from multitrack.keras.guard import guarded
from multitrack.keras_tuner import internals
from multitrack.keras_tuner.notes import Notes
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

#: The last sign of a worker that has ended by itself.
_LEFT: Final = "left"
#: The longest interval between signs of life, in seconds.
_PACE: Final = 15.0


class Heartbeat:
    """Writes the sign of life of a worker, on a thread of its own, until it is stopped.

    Args:
        notes: The worker's notes on the search.
        worker: Its tuner id.
        timeout: Seconds after which the chief gives a silent worker up, from the chief's notes.
    """

    def __init__(self, notes: Notes, worker: str, timeout: float | None) -> None:
        self._notes = notes
        self._worker = worker
        self._interval = min(_PACE, (timeout or math.inf) / 5)
        self._beats = 0
        self._stopped = threading.Event()
        self._beat()  # before the worker asks for a trial
        self._thread = threading.Thread(target=self._run, name="multitrack-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and write that the worker has left: the chief need not wait for it."""
        self._stopped.set()
        self._thread.join()
        self._write(_LEFT)

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self._beat()

    def _beat(self) -> None:
        self._beats += 1
        self._write(f"{os.getpid()} {self._beats}")

    def _write(self, sign: str) -> None:
        with contextlib.suppress(OSError):  # another worker may remove the directory (overwrite=True) meanwhile
            self._notes.sign_of_life(self._worker).write_text(sign)


class SearchOver(Exception):  # noqa: N818 - no error: it ends KerasTuner's serving
    """No trial is left, and no worker that would tell KerasTuner so."""


class LostWorkers:
    """Ends the trials of lost workers while the chief serves. All of it runs on the thread that serves.

    Args:
        tuner: The chief's tuner.
        run: The search's run.
        notes: The chief's notes on the search.
        timeout: Seconds without a sign of life after which a worker is given up.
    """

    guarding_name = "KerasTuner chief"

    def __init__(self, tuner: Any, run: Run, notes: Notes, timeout: float) -> None:
        self._tuner = tuner
        self.guarding_run = run
        self._notes = notes
        self._timeout = timeout
        self._next = 0.0
        self._signs: dict[str, tuple[str, float]] = {}  # the last sign of each worker, and when it was new here
        self._alone_since: float | None = None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look after the workers while KerasTuner serves within this context.

        Raises:
            RuntimeError: Too many trials in a row have failed, or all workers are gone while trials remain.
        """
        with contextlib.suppress(SearchOver), internals.between_polls(self._check):
            yield
        left = internals.waiting_for_retry(self._tuner.oracle)
        if left:
            self._say(f"no worker was left to repeat trial {', '.join(left)}: start the search again to do so")

    def _check(self) -> None:
        end = self._look(time.monotonic())
        if end is not None:
            raise end

    @guarded
    def _look(self, now: float) -> Exception | None:
        """Give up lost workers; return an error that ends the search, if it is to end."""
        oracle = self._tuner.oracle
        failure = internals.too_many_failures(oracle)
        if failure is not None or now < self._next:
            return failure
        self._next = now + min(5.0, self._timeout / 5)
        workers = internals.workers(oracle)
        for worker in sorted(workers):
            sign = self._sign(worker, now)
            if sign is None or not (sign[0] == _LEFT or now - sign[1] > self._timeout):
                continue
            workers.discard(worker)
            failure = self._give_up(worker, "has left" if sign[0] == _LEFT else "gives no sign of life", bool(workers))
            if failure is not None:
                return failure
        return self._end_without_workers(workers, now)

    def _sign(self, worker: str, now: float) -> tuple[str, float] | None:
        """Return the last sign of a worker and when it came; None if it never gave one: it is not tracked."""
        with contextlib.suppress(OSError):
            sign = self._notes.sign_of_life(worker).read_text()
            if worker not in self._signs or self._signs[worker][0] != sign:
                self._signs[worker] = sign, now
        return self._signs.get(worker)

    def _give_up(self, worker: str, why: str, others: bool) -> Exception | None:
        message = f"worker {worker} {why}"
        trial, failure = internals.give_up(self._tuner.oracle, worker, message, retry=others)
        if trial is not None:
            message += f": its trial {trial.trial_id} ends as {trial.status}" + (
                ", and is repeated" if trial.status == "INVALID" else ""
            )
        self._say(message)
        return failure

    def _end_without_workers(self, workers: set[str], now: float) -> Exception | None:
        if workers or not self._signs:  # none has begun yet: they may wait in a queue for hours
            self._alone_since = None
            return None
        if internals.is_complete(self._tuner.oracle):
            return SearchOver()
        self._alone_since = now if self._alone_since is None else self._alone_since
        if now - self._alone_since <= self._timeout:
            return None
        return RuntimeError(
            f"the chief has had no worker for {self._timeout:g} seconds (worker_timeout), and trials remain: start the "
            f"chief and its workers again, and the search in {self._tuner.project_dir} goes on"
        )

    def _say(self, text: str) -> None:
        log.warning("multitrack: %s", text)
        self.guarding_run.log_lines(text)
