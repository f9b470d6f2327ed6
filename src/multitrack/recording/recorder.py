"""Recording: what every ``log_*`` call does.

Each call checks, encodes one record and hands it to the kernel before it returns. A mistake of the caller raises at
the call and changes nothing; a trouble of the machine is said once, counted, and never raises.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Literal

from multitrack._text import check_name
from multitrack.inputs.prepare import LARGEST_STEP, PreparedParams, prepare_params, prepare_tags, split_lines, to_step
from multitrack.inputs.values import to_number, to_numbers
from multitrack.recording.integration import Integration
from multitrack.recording.references import References
from multitrack.recording.run_journal import RunJournal
from multitrack.records import (
    Lines,
    ListMetric,
    Params,
    Tags,
    number_to_json,
)

log = logging.getLogger("multitrack")


class Recorder:
    """The recording half of a run; see :class:`multitrack.Run`.

    Args:
        journal: The end of the journal that it records into.

    Attributes:
        integration: For the Keras callback and the tuners.
    """

    def __init__(self, journal: RunJournal) -> None:
        self.id = journal.id
        self.name = journal.name
        self.directory = journal.directory
        self.settings = journal.settings
        self._journal = journal
        self._references = References(journal)
        self.integration = Integration(journal)

    @property
    def mistakes(self) -> int:
        """Wrong calls set aside so far (``mistakes = "warn"``, the Keras callback, the tuners)."""
        return self._journal.mistakes

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
            self.record_params(prepare_params(params, source, self._journal.redactor.begin()))
        except Exception as error:
            self._journal.refuse("log_params", error)

    def record_params(self, prepared: PreparedParams) -> None:
        """Record params that were prepared; raises as :meth:`log_params`."""
        journal = self._journal
        with journal.lock:
            known = journal.past.params
            differing = journal.past.check_params(self.id, prepared)
            new = prepared.only([key for key in prepared.values if key not in known])
            if new.values and journal.append(
                lambda now: Params(
                    time=now, values=new.values, types=new.types, source=new.source,
                    redacted=sum(new.redacted.values()), objects=new.objects,
                )
            ):  # fmt: skip
                known.update({key: (new.types[key], value) for key, value in new.values.items()})
        if new.objects and "objects" not in journal.warned:
            journal.warned.add("objects")
            log.warning(
                "multitrack: run %s: objects among the params are kept as text: %s", self.id, new.described(new.objects)
            )
        if differing and "differing" not in journal.warned:
            journal.warned.add("differing")
            log.warning(
                "multitrack: run %s: objects among the params have another text than was recorded; the recorded "
                "text stays: %s", self.id, prepared.described(differing),
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
        journal = self._journal
        try:
            if (
                type(value) is float and type(step) is int and isfinite(value) and type(name) is str
                and -LARGEST_STEP <= step <= LARGEST_STEP and journal.past.kinds.get(name) == "series"
            ):  # fmt: skip
                # Every round of a loop but its first; as in append_metric, without the price of calling it.
                journal.acquire()
                try:
                    writer = journal.writer or journal.ready()
                    journal.past.count += writer.append_metric({name: value}, step)
                    if writer.last_time >= journal.look_at:
                        journal.look(writer.last_time)
                finally:
                    journal.release()
                return
            metrics = {name: value}
        except Exception as error:
            self._journal.refuse("log_metric", error)
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
            journal = self._journal
            past = journal.past
            kinds = past.kinds
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
                if kinds.get(name) != kind and past.check_kind(self.id, name, kind):
                    new.append(name)
                numbers[name] = value
            if not numbers:
                return
            journal.append_metric(numbers, step)
            if new:
                kinds.update(dict.fromkeys(new, kind))
        except Exception as error:
            self._journal.refuse("log_metric", error)

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
            journal = self._journal
            if journal.past.kinds.get(name) != "list":
                journal.past.check_kind(self.id, name, "list")
            numbers = to_numbers(values, name)
            if not numbers:
                return
            with journal.lock:
                writer = journal.ready()
                now = writer.now()
                journal.past.count += writer.append_list(ListMetric(time=now, name=name, values=numbers))
                journal.past.kinds[name] = "list"
                if now >= journal.look_at:
                    journal.look(now)
        except Exception as error:
            self._journal.refuse("log_list_metric", error)

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
            self._references.log(name, uri, kind, role, digest=digest, size=size)
        except Exception as error:
            self._journal.refuse("log_artifact_ref", error)

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
                redaction = self._journal.redactor.begin(lines=True)
                kept = redaction.lines(split)
                self._journal.append(lambda now: Lines(time=now, lines=kept, stream=stream, redacted=redaction.count))
        except Exception as error:
            self._journal.refuse("log_lines", error)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags: short labels whose later value replaces an earlier one.

        Raises:
            TypeError: A value is not a string, number or truth value.
        """
        if self.directory is None:
            return
        try:
            redaction = self._journal.redactor.begin()
            self.record_tags(prepare_tags(tags, redaction), redaction.count)
        except Exception as error:
            self._journal.refuse("set_tags", error)

    def record_tags(self, tags: dict[str, str], redacted: int) -> None:
        """Record tags that were prepared."""
        if tags:
            self._journal.append(lambda now: Tags(time=now, values=tags, redacted=redacted))

    def set_aside(self, call: str, error: BaseException) -> None:
        """Keep a call that could not be recorded as a mistake: counted, written down, and warned of once a kind.

        For integrations (the Keras callback, the tuners), which never raise into training.
        """
        self._journal.set_aside(call, error)
