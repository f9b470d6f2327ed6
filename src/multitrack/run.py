"""Run: what training code holds.

Every ``log_*`` call checks, encodes one record and hands it to the kernel before it returns. A mistake of the
caller raises at the call and changes nothing; a trouble of the machine or of a tracker never raises.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
import traceback
import weakref
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from multitrack import process, values
from multitrack.artifacts import describe
from multitrack.capture import Capture
from multitrack.config import Settings
from multitrack.errors import MetricKindError, MultitrackError, ParamChangedError, RunClosedError
from multitrack.journal import Writer
from multitrack.lane import LaneState, state_of
from multitrack.host import Host
from multitrack.manifest import BackendEntry, Manifest
from multitrack.paramfile import read_params
from multitrack.past import Past
from multitrack.records import ArtifactRef, End, Lines, ListMetric, Metric, Mistake, Params, Record, Status, Tags, number_to_json
from multitrack.redaction import Redactor, without_credentials
from multitrack.report import DeliveryReport, report_run
from multitrack.settle import Settling
from multitrack.wait import pending_statement, wait

log = logging.getLogger("multitrack")

_MISTAKES: Final = (TypeError, ValueError, MultitrackError, OSError)
_LARGEST_STEP: Final = 2**63 - 1
#: The backends of a run: their manifest entries, options with secrets, and objects of this process.
Delivery = tuple[list[BackendEntry], dict[str, dict[str, Any]], dict[str, object]]
_active: contextvars.ContextVar[Run | None] = contextvars.ContextVar("multitrack_run", default=None)


class Run:
    """One run. Made by :func:`multitrack.start_run`; usable from any thread, and from forked children.

    A context manager: leaving the block ends the run as finished, or as failed with the traceback in its
    lines where an exception leaves it (``KeyboardInterrupt``: killed), and the exception goes on up.

    Attributes:
        id: Unique in the journal, and the same in every tracker that lets one choose.
        project: The project it belongs to.
        name: For people.
        directory: Where its journal is; ``None`` for a run that records nothing.
        mistakes: Wrong calls set aside so far (``mistakes = "warn"``, the Keras callback, the tuners).
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
        self.id = manifest.id
        self.project = manifest.project
        self.name = manifest.name
        self.directory = directory
        self.mistakes = 0
        self.parent = parent
        self._manifest = manifest
        self._settings = settings
        self._host = host
        self._redactor = redactor or Redactor([])
        self._writer = writer
        self._past = past or Past()
        self._lock = threading.RLock()
        self._status: Status = "running"
        self._lost = 0
        self._warned: set[str] = set()
        self._children: list[weakref.ref[Run]] = []
        self._opened = int(time.time() * 1000)
        self._pid = os.getpid()
        self._capture: Capture | None = None
        self._tokens: list[contextvars.Token[Run | None]] = []
        self._owned_parent: Run | None = None
        self._delivery: Delivery = delivery or ([], {}, {})

    def __repr__(self) -> str:
        where = self.directory or "records nothing"
        return f"<multitrack.Run {self.id} {self.name!r} {self.status} ({where})>"

    # -- what it is -------------------------------------------------------------------------------------------

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

    # -- recording --------------------------------------------------------------------------------------------

    def log_params(self, params: Any, source: str | None = None) -> None:
        """Record params, the run's inputs; nested ones are flattened with ``/``.

        Args:
            params: A mapping, a dataclass, an ``argparse.Namespace``, a pydantic, attrs or msgspec object, or the
                path of a YAML, TOML or JSON file.
            source: Where they came from; default: ``code``, ``command line`` for a ``Namespace``, or the file.

        Raises:
            ParamChangedError: One of them was recorded with another value; none of the call is recorded.
            TypeError: A value has no plain form.
            ValueError: A name is empty, or two flatten to one.
        """
        if self.directory is None:
            return
        try:
            if isinstance(params, (str, os.PathLike)):
                path = Path(params)
                params, source = read_params(path), source or str(path.absolute())
            elif source is None:
                source = "command line" if type(params).__name__ == "Namespace" else "code"
            flat, types = values.flatten_params(params)
            if self._redactor.active:
                flat = {key: self._redacted(value, key) for key, value in flat.items()}
            with self._lock:
                known = self._past.params
                changed = [key for key in flat if key in known and known[key] != (types[key], flat[key])]
                if changed:
                    key = changed[0]
                    raise ParamChangedError(
                        f"param {key!r} of run {self.id} is {known[key][1]!r} and cannot become {flat[key]!r}; "
                        "a param is written once (use a metric or a tag for what changes)"
                    )
                new = {key: value for key, value in flat.items() if key not in known}
                if new:
                    writer = self._ready()
                    record = Params(
                        time=writer.now(), values=new, types={key: types[key] for key in new}, source=source
                    )
                    self._wrote(writer.append(record))
                    known.update({key: (types[key], value) for key, value in new.items()})
        except _MISTAKES as error:
            self._mistake("log_params", error)

    def log_metric(self, name: str, value: Any, step: int | None = None) -> None:
        """Record one number.

        Args:
            name: The metric; any Unicode, ``/`` groups in most trackers.
            value: A scalar of Python, numpy, TensorFlow, JAX or torch; NaN and ±inf are kept as such.
            step: The step of a point of a series; without it, a simple metric, whose last value wins.

        Raises:
            TypeError: The value is not one number, or the step not a whole one.
            MetricKindError: ``name`` is a list metric in this run.
            RunClosedError: The run has ended.
        """
        self.log_metrics({name: value}, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record several numbers at one step (or several simple metrics), as one record.

        Args:
            metrics: Name and number each, as for :meth:`log_metric`.
            step: The step all of them stand at.
        """
        if self.directory is None:
            return
        try:
            kinds = self._past.kinds
            numbers: dict[str, int | float | str] = {}
            if step is not None and type(step) is not int:
                step = _step(step)
            for name, value in metrics.items():
                if type(value) is not float or not isfinite(value):
                    value = number_to_json(values.to_number(value, name))
                if kinds.get(name) != "series":
                    self._check_kind(name, "series")
                numbers[name] = value
            if not numbers:
                return
            with self._lock:
                writer = self._ready()
                trouble = writer.append(Metric(time=writer.now(), values=numbers, step=step))
                self._past.count += 1
                if step is not None:
                    for name in numbers:
                        kinds[name] = "series"
            if trouble is not None:
                self._trouble(trouble)
        except _MISTAKES as error:
            self._mistake("log_metric", error)

    def log_list_metric(self, name: str, values_: Any) -> None:
        """Append numbers to a list metric; their index goes on across calls and resumed runs.

        Args:
            name: The list metric.
            values_: Numbers, or an array of one dimension, of any length; a scalar counts as a list of one.

        Raises:
            TypeError: Something in it is no number, or it has several dimensions.
            MetricKindError: ``name`` is a series with steps in this run.
            RunClosedError: The run has ended.
        """
        if self.directory is None:
            return
        try:
            if self._past.kinds.get(name) != "list":
                self._check_kind(name, "list")
            numbers = values.to_numbers(values_, name)
            if not numbers:
                return
            with self._lock:
                writer = self._ready()
                before = writer.records
                trouble = writer.append_list(ListMetric(time=writer.now(), name=name, values=numbers))
                self._past.count += writer.records - before
                self._past.kinds[name] = "list"
            if trouble is not None:
                self._trouble(trouble)
        except _MISTAKES as error:
            self._mistake("log_list_metric", error)

    def log_artifact_ref(
        self,
        name: str,
        uri: str | os.PathLike[str],
        kind: str = "file",
        role: Literal["input", "output"] = "output",
        *,
        digest: bool | str = True,
        size: int | None = None,
    ) -> None:
        """Record a reference to something kept elsewhere; nothing is copied or uploaded.

        Args:
            name: What to call it.
            uri: A URI, or a local path (made an absolute ``file://`` URI). Credentials in it are left out.
            kind: ``model``, ``dataset``, ``figure``, ``text`` or any word.
            role: Whether the run read it (``input``) or wrote it (``output``).
            digest: ``True``: the sha256 of a local file or directory is computed, on this thread; ``False``: not;
                a string: the digest, as ``algorithm:hex``.
            size: Bytes; computed together with the digest.

        Raises:
            FileNotFoundError: A local path does not exist (``digest=False`` records it all the same).
            ValueError: The role is neither of the two.
        """
        if self.directory is None:
            return
        try:
            values.check_name(name, "artifact")
            values.check_name(kind, "artifact kind")
            if role not in ("input", "output"):
                raise ValueError(f"role must be 'input' or 'output', got {role!r}")
            found = describe(uri, digest=digest, size=size)
            address = without_credentials(values.clean_text(found.uri))
            address = self._redactor.text(address, name)
            self._append(
                lambda now: ArtifactRef(
                    time=now, name=name, uri=address, kind=kind, role=role, digest=found.digest, size=found.size
                )
            )
        except _MISTAKES as error:
            self._mistake("log_artifact_ref", error)

    def log_lines(self, lines: str | Iterable[str], stream: str = "log") -> None:
        """Record lines of text, with the time of the call.

        Args:
            lines: A text, split at its newlines, or several; any Unicode, any length.
            stream: Where they came from: ``stdout``, ``stderr`` or ``log``.

        Raises:
            TypeError: Something in it is no string.
        """
        if self.directory is None:
            return
        try:
            split = _split(lines)
            values.check_name(stream, "stream")
            if self._redactor.active:
                split = [self._redactor.text(line) for line in split]
            if split:
                self._append(lambda now: Lines(time=now, lines=split, stream=stream))
        except _MISTAKES as error:
            self._mistake("log_lines", error)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags: short labels whose later value replaces an earlier one.

        Raises:
            TypeError: A value is not a string, number or truth value.
        """
        if self.directory is None:
            return
        try:
            plain = {}
            for key, value in tags.items():
                values.check_name(key, "tag")
                if not isinstance(value, (str, int, float)):
                    raise TypeError(f"tag {key!r} must be a string, number or truth value, got {value!r}")
                plain[key] = self._redactor.text(values.clean_text(str(value)), key)
            if plain:
                self._append(lambda now: Tags(time=now, values=plain))
        except _MISTAKES as error:
            self._mistake("set_tags", error)

    def set_aside(self, call: str, error: BaseException) -> None:
        """Keep a call that could not be recorded as a mistake: counted, written down, and warned of once a kind.

        For integrations (the Keras callback, the tuners), which never raise into training.
        """
        self.mistakes += 1
        reason = f"{type(error).__name__}: {error}"
        if call not in self._warned:
            self._warned.add(call)
            log.warning("multitrack: run %s: %s was set aside: %s", self.id, call, reason)
        if self._status == "running" and self.directory is not None:
            with self._lock:
                writer = self._ready()
                writer.append(Mistake(time=writer.now(), call=call, reason=values.clean_text(reason)))

    # -- delivery ---------------------------------------------------------------------------------------------

    def flush(self, timeout: float | None = None) -> DeliveryReport:
        """Wait until every tracker holds what was recorded so far, as durably as it can.

        Args:
            timeout: Seconds to wait at most; default: as long as records move.

        Returns:
            What is delivered, pending and set aside, for each backend. Never raises for a tracker's trouble.
        """
        if self.directory is not None and self._host is not None and self._pid == os.getpid():
            self._host.nudge()
            settling = Settling(self._lanes(), {self.directory: self._past.count}, since=self._opened)
            wait(settling, {self.directory: self._past.count}, timeout, nudge=self._host.nudge, quiet=True)
        return self._report()

    def wait_open(self, timeout: float | None = None) -> dict[str, str]:
        """Wait until every tracker has opened the run, or gave up; the ids as in :attr:`backend_ids`.

        Args:
            timeout: Seconds to wait at most; default: as long as opening may take.
        """
        if self._host is not None and self.directory is not None:
            self._host.nudge()
            settling = Settling(self._lanes(), since=self._opened, opening=True)
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
            raise ValueError(f"status must be 'finished', 'failed' or 'killed', got {status!r}")
        if self.directory is None:
            self._status = status
            process.forget(self)
            return DeliveryReport({})
        if self._pid != os.getpid():
            self._close_fork()
            return self._report()
        if self._status != "running":
            return self._report()
        if self._capture is not None:
            self._capture.close()
        process.join_context(self)
        with self._lock:
            writer = self._ready()
            self._trouble_or_nothing(writer.append(End(time=writer.now(), status=status)))
            self._lost += writer.lost
            writer.close()
            self._writer = None
            self._status = status
        process.forget(self)
        self._settle()
        if self._owned_parent is not None:
            self._owned_parent.end(status)
        return self._report()

    def _settle(self) -> None:
        """After the end: let the trackers catch up, or say what is pending."""
        parent_open = self.parent is not None and self.parent.status == "running"
        if self._host is None or parent_open:
            return
        self._host.nudge()
        family = [run for run in self.family() if run.status != "running" and run.directory is not None]
        if self._settings.exit == "wait":
            counts = {run.directory: run._past.count for run in family if run.directory is not None}
            lanes = [lane for run in family for lane in run._lanes()]
            wait(Settling(lanes, since=self._opened), counts, None, nudge=self._host.nudge)
        report = DeliveryReport({})
        for run in family:
            report += run._report()
        statement = pending_statement(self, report, detached=self._settings.exit == "detach")
        if statement:
            log.warning("multitrack: %s", statement)

    def family(self) -> list[Run]:
        """This run and its descendants of this process."""
        children = [run for ref in self._children if (run := ref()) is not None]
        return [self, *(member for child in children for member in child.family())]

    def adopt(self, child: Run) -> None:
        """Count ``child`` to this run's family."""
        self._children.append(weakref.ref(child))

    def owns(self, parent: Run | None) -> None:
        """End ``parent`` together with this run, which opened it (``ranks = "all"``)."""
        self._owned_parent = parent

    def start_capture(self, what: tuple[str, ...]) -> None:
        """Turn output into lines of this run until its end."""
        if what:
            self._capture = Capture(self, what)

    # -- context manager --------------------------------------------------------------------------------------

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
        except _MISTAKES as trouble:
            self.set_aside("log_lines", trouble)

    # -- inside -----------------------------------------------------------------------------------------------

    def _append(self, make: Any) -> None:
        with self._lock:
            writer = self._ready()
            record: Record = make(writer.now())
            self._wrote(writer.append(record))

    def _wrote(self, trouble: OSError | None) -> None:
        self._past.count += 1
        self._trouble_or_nothing(trouble)

    def _trouble_or_nothing(self, trouble: OSError | None) -> None:
        if trouble is not None:
            self._trouble(trouble)

    def _trouble(self, trouble: OSError) -> None:
        """The machine could not take a record: say so once; training goes on."""
        self._past.count -= 1
        if "machine" not in self._warned:
            self._warned.add("machine")
            log.warning(
                "multitrack: run %s: the journal in %s cannot be written (%s); what is logged from now on is lost until "
                "it can, everything before it is kept", self.id, self.directory, trouble.strerror or trouble,
            )  # fmt: skip

    def _ready(self) -> Writer:
        """The writer; a forked child's first record opens a segment of its own."""
        if self._writer is None:
            if self._status != "running":
                raise RunClosedError(f"run {self.id} ({self.name}) has ended; start_run(run_id={self.id!r}) continues it")
            assert self.directory is not None  # noqa: S101 - a disabled run never comes here
            self._writer = Writer(self.directory, not_before=self._past.last_time, fork=True)
        return self._writer

    def _check_kind(self, name: Any, kind: Literal["series", "list"]) -> None:
        known = self._past.kinds.get(name)
        if known is None:
            values.check_name(name, "metric")
        elif known != kind:
            raise MetricKindError(
                f"{name!r} is a {'list metric' if known == 'list' else 'series with steps'} in run {self.id}; "
                "one name cannot be both"
            )

    def _mistake(self, call: str, error: BaseException) -> None:
        """Called while ``error`` is handled: raises it on, or sets the call aside with ``mistakes = "warn"``."""
        if self._settings.mistakes != "warn":
            raise
        self.set_aside(call, error)

    def _redacted(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return self._redactor.text(value, key)
        if isinstance(value, list):
            return [self._redacted(item, key) for item in value]
        return value

    def _lanes(self) -> list[tuple[Path, str]]:
        assert self.directory is not None  # noqa: S101 - a disabled run never comes here
        return [(self.directory, entry.name) for entry in self._manifest.backends]

    def _states(self) -> dict[str, LaneState]:
        if self.directory is None:
            return {}
        return {name: state_of(directory, name) for directory, name in self._lanes()}

    def _report(self) -> DeliveryReport:
        if self.directory is None:
            return DeliveryReport({})
        lost = self._lost + (self._writer.lost if self._writer is not None else 0)
        return report_run(
            self._states(), self._past.count, ended=self._status != "running", lost=lost, mistakes=self.mistakes
        )

    def _close_fork(self) -> None:
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def after_fork(self) -> None:
        """In a forked child: hold no lock and no file of the parent's; what is logged goes to a new segment."""
        self._lock = threading.RLock()
        if self._writer is not None:
            self._past.last_time = self._writer.now()
            self._writer.close()
            self._writer = None
        self._capture = None
        self._host = None


def ended_by(error: BaseException) -> Status:
    """How a run ends that this exception leaves."""
    if isinstance(error, KeyboardInterrupt):
        return "killed"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "finished"
        return "killed" if error.code in (130, 143) else "failed"
    return "failed"


def active_run() -> Run:
    """The innermost open run: of this context inside ``with``, else the process's last; or one that records nothing."""
    run = _active.get()
    if run is not None and run.status == "running":
        return run
    return process.last_open() or disabled_run()


def disabled_run(project: str = "", name: str = "") -> Run:
    """A run that takes every call and records nothing."""
    return Run(Manifest(id="disabled", project=project, name=name, created=0), None, Settings())


def _step(step: Any) -> int:
    """A step of any integer type, or a whole float."""
    if isinstance(step, bool):
        raise TypeError("step must be a whole number, got a bool")
    number = values.to_number(step, "step")
    if not isfinite(number) or int(number) != number:
        raise TypeError(f"step must be a whole number, got {step!r}")
    if abs(number) > _LARGEST_STEP:
        raise ValueError(f"step must fit 64 bits, got {step!r}")
    return int(number)


def _split(lines: str | Iterable[str]) -> list[str]:
    """Texts as lines without their ends."""
    if isinstance(lines, str):
        lines = [lines]
    elif isinstance(lines, (bytes, Mapping)) or not isinstance(lines, Iterable):
        raise TypeError(f"lines must be a string or strings, got {type(lines).__qualname__}")
    split: list[str] = []
    for text in lines:
        if not isinstance(text, str):
            raise TypeError(f"lines must be strings, got {type(text).__qualname__}")
        text = values.clean_text(text)
        split.extend(line.removesuffix("\r") for line in text.removesuffix("\n").split("\n"))
    return split
