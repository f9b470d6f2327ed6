"""Run: what training code holds: what it is, where it is delivered, and how it ends. Recording is its base's."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from multitrack._text import plain_text, short_repr
from multitrack.config import Settings
from multitrack.courier.hosts import Delivery, Host
from multitrack.delivery.lane_state import LaneState, state_of
from multitrack.delivery.progress import pending_statement, wait
from multitrack.delivery.report import DeliveryReport, report_run
from multitrack.delivery.waiting import Settling
from multitrack.inputs.pending_digests import END_WAIT, PendingDigests
from multitrack.inputs.values import to_number
from multitrack.journal.manifest import Manifest
from multitrack.journal.writer import Writer
from multitrack.recording import lifecycle
from multitrack.recording.history import Past
from multitrack.recording.recorder import Recorder
from multitrack.recording.status import ended_by
from multitrack.records import (
    End,
    Status,
)
from multitrack.security.redaction import Redactor

log = logging.getLogger("multitrack")

#: Milliseconds between looks whether the courier lives.
_LOOK_EVERY: Final = 5000

_active: contextvars.ContextVar[Run | None] = contextvars.ContextVar("multitrack_run", default=None)


class Run(Recorder):
    """One run. Made by :func:`multitrack.start_run`; usable from any thread, and from forked children.

    A context manager: leaving the block ends the run as finished, or as failed with the traceback in its
    lines where an exception leaves it (``KeyboardInterrupt``: killed), and the exception goes on up.

    Attributes:
        id: Unique in the journal, and the same in every tracker that lets one choose.
        project: The project it belongs to.
        name: For people.
        directory: Where its journal is; ``None`` for a run that records nothing.
        parent: The run it is a child of, if that is one of this process.
        manifest: What it is, as written beside the journal.
        settings: What holds for it.
        delivery: Where it is delivered.
        mistakes: Wrong calls set aside so far (``mistakes = "warn"``, the Keras callback, the tuners).
        at_end: What integrations call to record their last, however the run ends; must not raise.
        cell: The notebook's cell that started it, by its count; ``None`` elsewhere.
    """

    def __init__(
        self,
        manifest: Manifest,
        directory: Path | None,
        settings: Settings,
        *,
        writer: Writer | None = None,
        past: Past | None = None,
        parent: Run | None = None,
        host: Host | None = None,
        redactor: Redactor | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        super().__init__(manifest.id, manifest.name, directory, settings, writer=writer, past=past, redactor=redactor)
        self.project = manifest.project
        self.parent = parent
        self.manifest = manifest
        self._host = host
        self._children: list[Run] = []  # held: a child that nobody else holds is waited for as well
        self._gave_up = {lane: state.updated for lane in self._lanes() if (state := state_of(*lane)).stopped}
        self._look_at = 0.0 if host is not None else inf
        self._pid = os.getpid()
        self._closers: list[Callable[[], object]] = []
        self._tokens: list[contextvars.Token[Run | None]] = []
        self._owned_parent: Run | None = None
        self.delivery = delivery or Delivery()
        self.at_end: set[Callable[[], object]] = set()
        self.cell: int | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: KerasTuner copies the callbacks of a search, and with them whatever they hold."""
        return self

    def __copy__(self) -> Self:
        """Itself: a run has one writer."""
        return self

    def __reduce__(self) -> Any:
        """Refuse to be pickled: what another process records goes into a run of its own.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"a run cannot be sent to another process: send its id, {self.id!r}, and start a child there: "
            f"multitrack.start_run(parent={self.id!r})"
        )

    def __repr__(self) -> str:
        where = self.directory or "records nothing"
        return f"<multitrack.Run {self.id} {self.name!r} {self.status} ({where})>"

    def _repr_html_(self) -> str:
        from multitrack.reading.notebook import nothing_html  # noqa: PLC0415 - only notebooks ask
        from multitrack.reading.recorded_run import RecordedRun  # noqa: PLC0415

        return nothing_html(self.name) if self.directory is None else RecordedRun(self.directory)._repr_html_()

    @property
    def disabled(self) -> bool:
        """Whether this run records nothing."""
        return self.directory is None

    @property
    def status(self) -> Status:
        """``running``, ``finished``, ``failed`` or ``killed``."""
        return self._status

    @property
    def backend_ids(self) -> dict[str, str]:
        """The run's id in each tracker that has opened it by now; never blocks (see :meth:`wait_open`)."""
        return {name: state.id for name, state in self._states().items() if state.id is not None}

    @property
    def urls(self) -> dict[str, str]:
        """Where a browser shows the run, for each tracker that has said so by now; never blocks."""
        return {name: state.url for name, state in self._states().items() if state.url is not None}

    def flush(self, timeout: float | None = None) -> DeliveryReport:
        """Wait until every tracker holds what was recorded so far, as durably as it can.

        Args:
            timeout: Seconds to wait at most; default: as long as records move.

        Returns:
            What is delivered, pending and set aside, for each backend. Never raises for a tracker's trouble.

        Raises:
            TypeError: ``timeout`` is no number.
        """
        timeout = self._seconds(timeout, "flush")
        if self.directory is not None and self._host is not None and self._pid == os.getpid():
            settling = Settling(self._lanes(), {self.directory: self._past.count}, gave_up=self._gave_up)
            wait(settling, {self.directory: self._past.count}, timeout, nudge=self._host.nudge, quiet=True)
        return self._report()

    def wait_open(self, timeout: float | None = None) -> dict[str, str]:
        """Wait until every tracker has opened the run, or gave up; the ids as in :attr:`backend_ids`.

        Args:
            timeout: Seconds to wait at most; default: as long as opening may take.

        Raises:
            TypeError: ``timeout`` is no number.
        """
        timeout = self._seconds(timeout, "wait_open")
        if self._host is not None and self.directory is not None:
            settling = Settling(self._lanes(), gave_up=self._gave_up, opening=True)
            wait(settling, {}, timeout, nudge=self._host.nudge, quiet=True)
        return self.backend_ids

    def end(self, status: Status = "finished") -> DeliveryReport:
        """End the run. Without an open parent, waits for the trackers as long as records move.

        Args:
            status: ``finished``, ``failed`` or ``killed``.

        Returns:
            What is delivered, pending and set aside. Ending an ended run only reports.
        """
        if status not in ("finished", "failed", "killed"):
            self._mistake(
                "end", ValueError(f"status must be 'finished', 'failed' or 'killed', got {short_repr(status)}")
            )
            status = "finished"
        status = cast(Status, plain_text(status))
        if self.directory is None:
            self._status = status
            lifecycle.forget(self)
            return DeliveryReport({})
        if self._pid != os.getpid():
            self._close_fork()
            return self._report()
        if self._status != "running":
            return self._report()
        while self.at_end:
            self.at_end.pop()()
        self.stop_capture()
        lifecycle.join_context(self)
        self._digests.wait(0 if self.settings.exit == "detach" else END_WAIT)
        with self._lock:
            writer = self._ready()
            written = writer.append(End(time=writer.now(), status=status))
            if not written:
                log.warning("multitrack: run %s: its end could not be written; it will count as killed", self.id)
            self._past.lost += writer.lost
            if self.settings.fsync:
                writer.put_on_medium()
            writer.close()
            self._writer = None
            self._status = status
        lifecycle.forget(self)
        self._settle(patient=bool(written))
        if self._owned_parent is not None:
            self._owned_parent.end(status)
        return self._report()

    def _settle(self, *, patient: bool) -> None:
        """After the end: let the trackers catch up, or say what is pending; on a full disk no lane can go on."""
        parent_open = self.parent is not None and self.parent.status == "running"
        if self._host is None or parent_open:
            return
        family = [run for run in self.family() if run.status != "running" and run.directory is not None]
        if self.settings.exit == "detach" or not patient:
            self._host.nudge()
        else:
            counts = {run.directory: run._past.count for run in family if run.directory is not None}
            lanes = [lane for run in family for lane in run._lanes()]
            gave_up = {lane: when for run in family for lane, when in run._gave_up.items()}
            nudge = self._host.hurry if lifecycle.training_has_ended() else self._host.nudge
            wait(Settling(lanes, gave_up=gave_up), counts, None, nudge=nudge)
        report = DeliveryReport({})
        for run in family:
            report += run._report()
        statement = pending_statement(self.id, self.settings.journal, report, detached=self.settings.exit == "detach")
        if statement:
            log.warning("multitrack: %s", statement)

    def ancestors(self) -> list[Run]:
        """The runs of this process that it descends from, its parent first."""
        return [] if self.parent is None else [self.parent, *self.parent.ancestors()]

    def family(self) -> list[Run]:
        """This run and its descendants of this process."""
        return [self, *(member for child in self._children for member in child.family())]

    @contextlib.contextmanager
    def activate(self) -> Iterator[Self]:
        """Make this the run that :func:`active_run` gives in this context, without ending it afterwards."""
        token = _active.set(self)
        try:
            yield self
        finally:
            _active.reset(token)

    def adopt(self, child: Run) -> None:
        """Count ``child`` to this run's family."""
        self._children.append(child)

    def owns(self, parent: Run | None) -> None:
        """End ``parent`` together with this run, which opened it (``ranks = "all"``)."""
        self._owned_parent = parent

    def start_capture(self, stop: Callable[[], object]) -> None:
        """Output becomes lines of this run; ``stop`` is called at its end."""
        self._closers.append(stop)

    def stop_capture(self) -> None:
        """Leave output alone from now on."""
        while self._closers:
            self._closers.pop()()

    def __enter__(self) -> Self:
        self._tokens.append(_active.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token = self._tokens.pop()
        try:
            _active.reset(token)
        except ValueError:  # left in another context than entered, as some async frameworks do
            _active.set(None)
        if error is not None and self._status == "running":
            status = ended_by(error)
            if status != "finished" and not isinstance(error, SystemExit):
                self._keep_traceback(error)
            self.end(status)
        else:
            self.end()

    def _keep_traceback(self, error: BaseException) -> None:
        try:
            self.log_lines("".join(traceback.format_exception(error)), stream="stderr")
        except Exception as trouble:  # noqa: BLE001 - an exception's own code may raise anything
            self.set_aside("log_lines", trouble)

    def _look(self, now: int) -> None:
        """Now and then from a recording call: a courier that died is started again."""
        self._look_at = now + _LOOK_EVERY
        if self._host is not None:
            self._host.look()

    @property
    def in_block(self) -> bool:
        """Whether it is inside of its ``with`` block."""
        return bool(self._tokens)

    def _seconds(self, timeout: float | None, call: str) -> float | None:
        """A time to wait, as a number; ``None`` for a wrong one that is set aside."""
        if timeout is None:
            return None
        try:
            return float(to_number(timeout, "timeout"))
        except TypeError:
            self._mistake(call, TypeError(f"timeout must be seconds, got {short_repr(timeout)}"))
            return None

    def _lanes(self) -> list[tuple[Path, str]]:
        if self.directory is None:
            return []
        return [(self.directory, entry.name) for entry in self.manifest.backends]

    def _states(self) -> dict[str, LaneState]:
        return {name: state_of(directory, name) for directory, name in self._lanes()}

    def _report(self) -> DeliveryReport:
        if self.directory is None:
            return DeliveryReport({})
        lost = self._past.lost + (self._writer.lost if self._writer is not None else 0)
        return report_run(
            self._states(),
            self._past.count,
            ended=self._status != "running",
            lost=lost,
            mistakes=self.mistakes,
            redacted=self._past.redacted + self.manifest.redacted,
            skipped_epochs=self._past.skipped_epochs,
            skipped_batches=self._past.skipped_batches,
        )

    def _close_fork(self) -> None:
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def after_fork(self) -> None:
        """In a forked child: hold no lock and no file of the parent's; what is logged goes to a new segment."""
        self._make_lock()
        if self._writer is not None:
            self._past.last_time = self._writer.now()
            self._writer.close()
            self._writer = None
        self._closers.clear()
        self._digests = PendingDigests()
        self.at_end.clear()
        self._host, self._look_at = None, inf


def active_run() -> Run:
    """The innermost open run: of this context inside ``with``, else the process's last; or one that records nothing."""
    run = _active.get()
    if run is not None and run.status == "running":
        return run
    return cast(Run | None, lifecycle.last_open()) or disabled_run()


def disabled_run(project: str = "", name: str = "") -> Run:
    """A run that takes every call and records nothing."""
    return Run(Manifest(id="disabled", project=project, name=name, created=0), None, Settings())
