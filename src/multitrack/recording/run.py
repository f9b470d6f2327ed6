"""The run object of training code: its identity, delivery and end; the base class records."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from multitrack.config import Settings
from multitrack.courier.hosts import Delivery, Host
from multitrack.delivery.progress import pending_statement, wait
from multitrack.delivery.report import DeliveryReport
from multitrack.delivery.waiting import Settling
from multitrack.inputs.pending_digests import END_WAIT
from multitrack.journal.manifest import Manifest
from multitrack.journal.writer import Writer
from multitrack.plugins import Extension
from multitrack.recording import lifecycle
from multitrack.recording.history import Past
from multitrack.recording.model_versions import versions_at_end
from multitrack.recording.open_run import OpenRun
from multitrack.recording.recorder import Recorder
from multitrack.recording.run_journal import RunJournal
from multitrack.recording.run_lanes import RunLanes, settle
from multitrack.recording.status import ended_by, to_status
from multitrack.recording.watching import watch
from multitrack.records import Status
from multitrack.security.redaction import Redactor

log = logging.getLogger("multitrack")


class Run(Recorder):
    """A run. Made by :func:`multitrack.start_run`; usable from any thread, and from forked children.

    A context manager: leaving the block ends the run as finished. If an exception leaves the block, the run ends as
    failed (``KeyboardInterrupt``: killed) with the traceback in its lines, and the exception propagates.

    Attributes:
        id: The run id, unique in the journal, and the same in every tracker that accepts ids.
        project: The project it belongs to.
        name: Readable name.
        directory: The run's directory in the journal; ``None`` for a run that records nothing.
        parent: The parent run, if it is a run of this process.
        manifest: The run's manifest, as written beside the journal.
        settings: The run's settings.
        delivery: The backends and their options.
        at_end: Callbacks with which integrations record their last data, however the run ends; must not raise.
        cell: Execution count of the notebook cell that started the run; ``None`` outside notebooks.
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
        version_finders: Sequence[Extension] = (),
        delivery: Delivery | None = None,
    ) -> None:
        super().__init__(
            RunJournal(
                manifest.id, manifest.name, directory, settings, writer=writer, past=past, redactor=redactor,
                version_finders=version_finders,
            )
        )  # fmt: skip
        self.project = manifest.project
        self.parent = parent
        self.manifest = manifest
        self._host = host
        self._children: list[Run] = []  # strong references: the end waits also for children that nobody else holds
        self._lanes = RunLanes(directory, manifest.backends)
        watch(self._journal, host, lambda: self.delivery)
        if manifest.compact is not None:
            self._journal.roll_every(manifest.compact.period)
        self._pid = os.getpid()
        self._closers: list[Callable[[], object]] = []
        self._tokens: list[contextvars.Token[OpenRun | None]] = []
        self._owned_parent: Run | None = None
        self.delivery = delivery or Delivery()
        self.at_end: set[Callable[[], object]] = set()
        self.cell: int | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the run itself: KerasTuner deep-copies the callbacks of a search."""
        return self

    def __copy__(self) -> Self:
        """Return the run itself: a run has one writer."""
        return self

    def __reduce__(self) -> Any:
        """Refuse to be pickled: another process must record into a run of its own.

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
        """True if this run records nothing."""
        return self.directory is None

    @property
    def status(self) -> Status:
        """``running``, ``finished``, ``failed`` or ``killed``."""
        return self._journal.status

    @property
    def backend_ids(self) -> dict[str, str]:
        """The run's id in each tracker that has opened it so far; never blocks (see :meth:`wait_open`)."""
        return {name: state.id for name, state in self._lanes.states().items() if state.id is not None}

    @property
    def urls(self) -> dict[str, str]:
        """The run's web page in each tracker that has reported one so far; never blocks."""
        return {name: state.url for name, state in self._lanes.states().items() if state.url is not None}

    def flush(self, timeout: float | None = None) -> DeliveryReport:
        """Wait until every tracker has everything recorded so far, as durably as it can.

        Args:
            timeout: Maximum seconds to wait; default: as long as records move.

        Returns:
            The delivered, pending and set-aside records of each backend. Never raises because of a tracker.

        Raises:
            TypeError: If ``timeout`` is not a number.
        """
        timeout = self._journal.seconds(timeout, "flush")
        if self.directory is not None and self._host is not None and self._pid == os.getpid():
            target = {self.directory: self._journal.past.count}
            settling = Settling(self._lanes.keys, target, gave_up=self._lanes.gave_up)
            wait(settling, target, timeout, nudge=self._host.nudge, quiet=True)
        return self._report()

    def wait_open(self, timeout: float | None = None) -> dict[str, str]:
        """Wait until every tracker has opened the run or given up, and return :attr:`backend_ids`.

        Args:
            timeout: Maximum seconds to wait; default: as long as opening may take.

        Raises:
            TypeError: If ``timeout`` is not a number.
        """
        timeout = self._journal.seconds(timeout, "wait_open")
        if self._host is not None and self.directory is not None:
            settling = Settling(self._lanes.keys, gave_up=self._lanes.gave_up, opening=True)
            wait(settling, {}, timeout, nudge=self._host.nudge, quiet=True)
        return self.backend_ids

    def end(self, status: Status = "finished") -> DeliveryReport:
        """End the run. Unless its parent is open, wait for the trackers as long as records move.

        Args:
            status: ``finished``, ``failed`` or ``killed``.

        Returns:
            The delivered, pending and set-aside records. Ending an ended run only returns this report.
        """
        try:
            status = to_status(status)
        except ValueError as error:
            self._journal.refuse("end", error)
            status = "finished"
        if self.directory is None:
            self._journal.status = status
            lifecycle.forget(self)
            return DeliveryReport({})
        if is_copy := self._pid != os.getpid():  # in a forked child
            self._journal.close_segment()
        if is_copy or self.status != "running":
            return self._report()
        while self.at_end:
            self.at_end.pop()()
        self.stop_capture()
        lifecycle.join_context(self)
        self._references.digests.wait(0 if self.settings.exit == "detach" else END_WAIT)
        written = self._journal.end(status, versions_at_end(self._journal))
        lifecycle.forget(self)
        self._settle(patient=written)
        if self._owned_parent is not None:
            self._owned_parent.end(status)
        return self._report()

    def _settle(self, *, patient: bool) -> None:
        """Wait for the trackers, unless the end could not be written (no lane moves on a full disk); log the rest."""
        parent_open = self.parent is not None and self.parent.status == "running"
        if self._host is None or parent_open:
            return
        if self.delivery.alerts:
            self._host.nudge()  # nobody waits for them, but a courier that died is to look at the last records
        family = [run for run in self.family() if run.status != "running" and run.directory is not None]
        if self.settings.exit == "detach" or not patient:
            self._host.nudge()
        else:
            nudge = self._host.hurry if lifecycle.training_has_ended() else self._host.nudge
            settle([(run._journal, run._lanes) for run in family], nudge)
        report = DeliveryReport({})
        for run in family:
            report += run._report()
        detached = self.settings.exit == "detach"
        if statement := pending_statement(self.id, self.settings.journal, report, detached=detached):
            log.warning("multitrack: %s", statement)

    def ancestors(self) -> list[Run]:
        """The ancestors of this run in this process, its parent first."""
        return [] if self.parent is None else [self.parent, *self.parent.ancestors()]

    def family(self) -> list[Run]:
        """This run and its descendants in this process."""
        return [self, *(member for child in self._children for member in child.family())]

    @contextlib.contextmanager
    def activate(self) -> Iterator[Self]:
        """Make this the active run of this context (see :func:`active_run`), without ending it afterwards."""
        token = lifecycle.active.set(self)
        try:
            yield self
        finally:
            lifecycle.active.reset(token)

    def adopt(self, child: Run) -> None:
        """Add ``child`` to this run's children."""
        self._children.append(child)

    def owns(self, parent: Run | None) -> None:
        """Note that this run opened ``parent``, and ends it together with itself (``ranks = "all"``)."""
        self._owned_parent = parent

    def start_capture(self, stop: Callable[[], object]) -> None:
        """Register a started output capture; ``stop`` is called at the run's end."""
        self._closers.append(stop)

    def stop_capture(self) -> None:
        """Stop capturing output."""
        while self._closers:
            self._closers.pop()()

    def __enter__(self) -> Self:
        self._tokens.append(lifecycle.active.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token = self._tokens.pop()
        try:
            lifecycle.active.reset(token)
        except ValueError:  # exited in another context than entered, as some async frameworks do
            lifecycle.active.set(None)
        status = "finished" if error is None else ended_by(error)
        if status != "finished" and self.status == "running" and not isinstance(error, SystemExit):
            try:
                self.log_lines("".join(traceback.format_exception(error)), stream="stderr")
            except Exception as trouble:  # noqa: BLE001 - an exception's own code may raise anything
                self.set_aside("log_lines", trouble)
        self.end(status)

    @property
    def in_block(self) -> bool:
        """True inside the run's ``with`` block."""
        return bool(self._tokens)

    def _report(self) -> DeliveryReport:
        return self._lanes.report(self._journal, self.manifest.redacted)

    def after_fork(self) -> None:
        """In a forked child, drop the parent's locks and files; new records go to a new segment."""
        self._journal.after_fork()
        self._references.after_fork()
        self._closers.clear()
        self.at_end.clear()
        self._host = None
