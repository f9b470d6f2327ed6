"""Recording: what every ``log_*`` call does.

Each call checks, encodes one record and hands it to the kernel before it returns. A mistake of the caller raises at
the call and changes nothing; a trouble of the machine is said once, counted, and never raises.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from itertools import islice
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final, Literal, cast

from msgspec import structs

from multitrack._text import check_name, clean_text, error_text, plain_text, shown
from multitrack.config import Settings
from multitrack.errors import JournalError, MetricKindError, RunClosedError
from multitrack.inputs.pending_digests import PendingDigests
from multitrack.inputs.prepare import LARGEST_STEP, PreparedParams, prepare_params, prepare_tags, split_lines, to_step
from multitrack.inputs.references import describe
from multitrack.inputs.values import to_number, to_numbers
from multitrack.journal.fsync import keep_durable
from multitrack.journal.writer import Writer
from multitrack.recording.history import Past
from multitrack.records import (
    ArtifactRef,
    Lines,
    ListMetric,
    Mistake,
    Params,
    Status,
    Tags,
    Trained,
    number_to_json,
)
from multitrack.security.redaction import Redactor

log = logging.getLogger("multitrack")
#: Params that are objects, named in the message about them.
_NAMED: Final = 5


def _named(keys: Collection[str], params: PreparedParams) -> str:
    """The first of those params that are objects, with their types."""
    named = ", ".join(f"{key} ({params.objects[key].type})" for key in islice(keys, _NAMED))
    return f"{named} and {len(keys) - _NAMED} more" if len(keys) > _NAMED else named


class Recorder:
    """The recording half of a run; see :class:`multitrack.Run`.

    Args:
        run_id: The run's id.
        name: Its name.
        directory: Its directory; ``None`` records nothing.
        settings: What holds.
        writer: The open segment.
        past: What the run holds already.
        redactor: What keeps secrets out.
    """

    def __init__(
        self,
        run_id: str,
        name: str,
        directory: Path | None,
        settings: Settings,
        *,
        writer: Writer | None = None,
        past: Past | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.id = run_id
        self.name = name
        self.directory = directory
        self.mistakes = 0
        self.settings = settings
        self._writer = writer
        self._past = past or Past()
        self._redactor = redactor or Redactor()
        self._digests = PendingDigests()
        self._undigested: dict[str, ArtifactRef] = {}
        self._make_lock()
        self._status: Status = "running"
        self._look_at: float = inf
        self._warned: set[str] = set()

    def _make_lock(self) -> None:
        self._lock = threading.RLock()
        self._acquire, self._release = self._lock.acquire, self._lock.release  # half the cost of a with statement

    def log_params(self, params: Any, source: str | None = None) -> None:
        """Record params, the run's inputs; nested ones are flattened with ``/``.

        Args:
            params: A mapping, a dataclass, an ``argparse.Namespace``, a pydantic, attrs or msgspec object, or the
                path of a YAML, TOML or JSON file.
            source: Where they came from; default: ``code``, ``command line`` for a ``Namespace`` (given there,
                or the parser's default), or the file.

        Raises:
            ParamChangedError: One of them was recorded with another value; none of the call is recorded.
            TypeError: It is none of these.
            ValueError: A name is empty, or two flatten to one.
        """
        if self.directory is None:
            return
        try:
            self.record_params(prepare_params(params, source, self._redactor.begin()))
        except Exception as error:
            self._mistake("log_params", error)

    def record_params(self, prepared: PreparedParams) -> None:
        """Record params that were prepared; raises as :meth:`log_params`."""
        with self._lock:
            known = self._past.params
            differing = self._past.check_params(self.id, prepared)
            new = prepared.only([key for key in prepared.values if key not in known])
            if new.values and self._append(
                lambda now: Params(
                    time=now, values=new.values, types=new.types, source=new.source,
                    redacted=sum(new.redacted.values()), objects=new.objects,
                )
            ):  # fmt: skip
                known.update({key: (new.types[key], value) for key, value in new.values.items()})
        if new.objects and "objects" not in self._warned:
            self._warned.add("objects")
            log.warning(
                "multitrack: run %s: params kept as text, as they are objects: %s", self.id, _named(new.objects, new)
            )
        if differing and "differing" not in self._warned:
            self._warned.add("differing")
            log.warning(
                "multitrack: run %s: params whose text is another one than was recorded, and stays what it was, as "
                "they are objects: %s", self.id, _named(differing, prepared),
            )  # fmt: skip

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
        try:
            if (
                type(value) is float and type(step) is int and isfinite(value) and type(name) is str
                and -LARGEST_STEP <= step <= LARGEST_STEP and self._past.kinds.get(name) == "series"
            ):  # fmt: skip
                # Every round of a loop but its first; as in _append_metric, without the price of calling it.
                self._acquire()
                try:
                    writer = self._writer or self._ready()
                    self._past.count += writer.append_metric({name: value}, step)
                    if writer.last_time >= self._look_at:
                        self._look(writer.last_time)
                finally:
                    self._release()
                return
            metrics = {name: value}
        except Exception as error:
            self._mistake("log_metric", error)
        else:
            self.log_metrics(metrics, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record several numbers at one step (or several simple metrics), as one record.

        Args:
            metrics: Name and number each, as for :meth:`log_metric`.
            step: The step all of them stand at.
        """
        if self.directory is None:
            return
        try:
            if type(metrics) is not dict and not isinstance(metrics, Mapping):
                raise TypeError(f"metrics must be a mapping of names to numbers, got {type(metrics).__qualname__}")
            kinds = self._past.kinds
            numbers: dict[str, int | float | str] = {}
            if step is not None and (type(step) is not int or not -LARGEST_STEP <= step <= LARGEST_STEP):
                step = to_step(step)
            kind: Literal["series", "simple"] = "simple" if step is None else "series"
            new: list[str] = []
            for name, value in metrics.items():
                if type(value) is not float or not isfinite(value):
                    value = number_to_json(to_number(value, name))
                if type(name) is not str:
                    name = check_name(name, "metric")
                if kinds.get(name) != kind and self._check_kind(name, kind):
                    new.append(name)
                numbers[name] = value
            if not numbers:
                return
            self._append_metric(numbers, step)
            if new:
                kinds.update(dict.fromkeys(new, kind))
        except Exception as error:
            self._mistake("log_metric", error)

    def _append_metric(self, numbers: dict[str, int | float | str], step: int | None) -> None:
        self._acquire()
        try:
            writer = self._writer or self._ready()
            self._past.count += writer.append_metric(numbers, step)
            if writer.last_time >= self._look_at:
                self._look(writer.last_time)
        finally:
            self._release()

    def log_list_metric(self, name: str, values: Any) -> None:
        """Append numbers to a list metric; their index goes on across calls and resumed runs.

        Args:
            name: The list metric.
            values: Numbers, or an array of one dimension, of any length; a scalar counts as a list of one, and nothing
                is recorded of an empty one.

        Raises:
            TypeError: Something in it is no number, or it has several dimensions.
            MetricKindError: ``name`` is a series with steps in this run.
            RunClosedError: The run has ended.
        """
        if self.directory is None:
            return
        try:
            if type(name) is not str:
                name = check_name(name, "metric")
            if self._past.kinds.get(name) != "list":
                self._check_kind(name, "list")
            numbers = to_numbers(values, name)
            if not numbers:
                return
            with self._lock:
                writer = self._ready()
                now = writer.now()
                self._past.count += writer.append_list(ListMetric(time=now, name=name, values=numbers))
                self._past.kinds[name] = "list"
                if now >= self._look_at:
                    self._look(now)
        except Exception as error:
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
            digest: ``True``: the sha256 of a local file or directory is computed: of one above 16 MiB, or 1,000 files,
                on a thread, and recorded once it is known; of a FIFO, device or socket, not. ``False``: not; a string:
                the digest, as ``algorithm:hex``.
            size: Bytes; computed together with the digest.

        Raises:
            FileNotFoundError: A local path does not exist (``digest=False`` records it all the same).
            ValueError: The role is neither of the two.
        """
        if self.directory is None:
            return
        try:
            name, kind = check_name(name, "artifact"), check_name(kind, "artifact kind")
            if role not in ("input", "output"):
                raise ValueError(f"role must be 'input' or 'output', got {role!r}")
            if not isinstance(digest, (bool, str)):
                raise TypeError(f"digest must be True, False or a string, got {shown(digest)}")
            found = describe(uri, digest=digest, size=None if size is None else to_step(size, "size"))
            redaction = self._redactor.begin()
            reference = ArtifactRef(
                time=0, name=redaction.text(name), uri=redaction.text(clean_text(found.uri)), kind=redaction.text(kind),
                role=cast(Literal["input", "output"], plain_text(role)), digest=found.digest, size=found.size,
                redacted=redaction.count,
                pending=found.unread is not None,
            )  # fmt: skip
            with self._lock:
                self._append(lambda now: structs.replace(reference, time=now))
                self._undigested.pop(reference.name, None)  # the last reference of a name is the one that counts
                if found.unread is not None:
                    self._undigested[reference.name] = reference
            if found.odd is not None:
                log.warning(
                    "multitrack: run %s: reference %s: %s is %s, recorded without digest", self.id, name, uri, found.odd
                )
            if found.unread is not None:
                self._digests.put(found.unread, partial(self._complete_reference, reference))
        except Exception as error:
            self._mistake("log_artifact_ref", error)

    def _complete_reference(
        self, reference: ArtifactRef, digest: str | None, size: int | None, error: Exception | None
    ) -> None:
        """Record a reference again, now that its digest is known, or that there will be none.

        One that a later reference of its name has replaced stays replaced.
        """
        with self._lock, contextlib.suppress(RunClosedError):  # its end did not wait for this
            if self._undigested.get(reference.name) is not reference:
                return
            del self._undigested[reference.name]
            if error is not None:
                self.set_aside("log_artifact_ref", error)
            self._append(
                lambda now: structs.replace(
                    reference, time=now, digest=digest, size=size or reference.size, pending=False, redacted=0
                )
            )

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
            split = split_lines(lines)
            stream = check_name(stream, "stream")
            if split:
                redaction = self._redactor.begin(lines=True)
                kept = redaction.lines(split)
                self._append(lambda now: Lines(time=now, lines=kept, stream=stream, redacted=redaction.count))
        except Exception as error:
            self._mistake("log_lines", error)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags: short labels whose later value replaces an earlier one.

        Raises:
            TypeError: A value is not a string, number or truth value.
        """
        if self.directory is None:
            return
        try:
            redaction = self._redactor.begin()
            self.record_tags(prepare_tags(tags, redaction), redaction.count)
        except Exception as error:
            self._mistake("set_tags", error)

    def record_tags(self, tags: dict[str, str], redacted: int) -> None:
        """Record tags that were prepared."""
        if tags:
            self._append(lambda now: Tags(time=now, values=tags, redacted=redacted))

    def set_aside(self, call: str, error: BaseException) -> None:
        """Keep a call that could not be recorded as a mistake: counted, written down, and warned of once a kind.

        For integrations (the Keras callback, the tuners), which never raise into training.
        """
        self.mistakes += 1
        redaction = self._redactor.begin()
        reason = redaction.text(error_text(error))
        if call not in self._warned:
            self._warned.add(call)
            log.warning("multitrack: run %s: %s was set aside: %s", self.id, call, reason)
        if self._status == "running" and self.directory is not None:
            with self._lock, contextlib.suppress(JournalError):
                writer = self._ready()
                writer.append(Mistake(time=writer.now(), call=call, reason=reason, redacted=redaction.count))
                self._past.redacted += redaction.count

    @property
    def has_series(self) -> bool:
        """Whether it holds a point of any series."""
        return "series" in self._past.kinds.values()

    def warn_as(self, other: Recorder) -> None:
        """Warn of no kind of wrong call that another run has warned of; each counts its own."""
        self._warned = other._warned

    def note_trained(self, training: int, **fields: Any) -> None:
        """Write down where the training of a Keras model stands; for the Keras callback.

        Args:
            training: Which of the run's trainings.
            **fields: The other fields of :class:`~multitrack.records.Trained`.
        """
        if self._status == "running" and self.directory is not None:
            with self._lock, contextlib.suppress(JournalError):
                writer = self._ready()
                writer.append(Trained(time=writer.now(), training=training, **fields))

    def _append(self, make: Callable[[int], Params | ArtifactRef | Lines | Tags]) -> bool:
        """Write the record made for the time of now; whether the machine took it."""
        with self._lock:
            writer = self._ready()
            now = writer.now()
            record = make(now)
            written = writer.append(record)
            self._past.count += written
            self._past.redacted += record.redacted
            if now >= self._look_at:
                self._look(now)
        return bool(written)

    def _look(self, now: int) -> None:
        """Called from a recording call every few seconds, see :meth:`Run._look`."""

    def _ready(self) -> Writer:
        """The writer; a forked child's first record opens a segment of its own."""
        if self._writer is None:
            if self._status != "running":
                raise RunClosedError(
                    f"run {self.id} ({self.name}) has ended; start_run(run_id={self.id!r}) continues it"
                )
            assert self.directory is not None  # noqa: S101 - a disabled run never comes here
            self._writer = Writer(self.directory, not_before=self._past.last_time, fork=True)
            if self.settings.fsync:
                keep_durable(self._writer, self.settings.fsync)
        return self._writer

    def _check_kind(self, name: Any, kind: Literal["series", "list", "simple"]) -> bool:
        """Whether the name is of this kind from now on; one that was only a simple metric's may become any."""
        known = self._past.kinds.get(name)
        if known is None:
            check_name(name, "metric")
        elif known == "list" or (known == "series" and kind == "list"):
            raise MetricKindError(
                f"{name!r} is a {'list metric' if known == 'list' else 'series with steps'} in run {self.id}; "
                "one name cannot be both"
            )
        return known != "series"

    def _mistake(self, call: str, error: BaseException) -> None:
        """Raise a wrong call's error, or set the call aside with ``mistakes = "warn"``."""
        if isinstance(error, JournalError):  # a forked child that cannot open a segment: no mistake of the caller
            self._past.lost += 1
            if "journal" not in self._warned:
                self._warned.add("journal")
                log.warning("multitrack: run %s: %s; what this process logs is lost", self.id, error)
            return
        if self.settings.mistakes != "warn":
            raise error
        self.set_aside(call, error)
