"""The recording calls of a run: ``log_*`` and ``set_tags``.

Each call checks its arguments, encodes one record and hands it to the kernel before it returns. An invalid argument
raises at the call and changes nothing. A write error (a full disk) never raises: it is logged once and counted.
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
from multitrack.records import Lines, ListMetric, Params, Tags, number_to_json

log = logging.getLogger("multitrack")


class Recorder:
    """The recording half of a run; see :class:`multitrack.Run`.

    Args:
        journal: The run's journal to record into.

    Attributes:
        integration: Interface for the Keras callback and the tuners.
    """

    def __init__(self, journal: RunJournal) -> None:
        self.id = journal.id
        self.name = journal.name
        self.directory = journal.directory
        self.settings = journal.settings
        self._journal = journal
        self._references = References(journal)
        self.integration = Integration(journal, self._references)

    @property
    def mistakes(self) -> int:
        """Number of invalid calls set aside so far (``mistakes = "warn"``, the Keras callback, the tuners)."""
        return self._journal.mistakes

    def log_params(self, params: Any, source: str | None = None) -> None:
        """Record params, the run's inputs; nested ones are flattened with ``/``.

        Args:
            params: A mapping, a dataclass, an ``argparse.Namespace``, a pydantic, attrs or msgspec object, or the
                path of a YAML, TOML or JSON file.
            source: Origin of the params; default: the file's path for a file, ``command line`` for a ``Namespace``
                (including the parser's defaults), else ``code``.

        Raises:
            ParamChangedError: If a param was recorded with another value; nothing of the call is recorded.
            TypeError: If ``params`` is none of these.
            ValueError: If a name is empty, or two names flatten to the same key.
        """
        if self.directory is None:
            return
        try:
            self.record_params(prepare_params(params, source, self._journal.redactor.begin()))
        except Exception as error:
            self._journal.refuse("log_params", error)

    def record_params(self, prepared: PreparedParams) -> None:
        """Record prepared params; raises as :meth:`log_params`."""
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
                journal.past.add_params(new)
        if new.objects and "objects" not in journal.warned:
            journal.warned.add("objects")
            log.warning(
                "multitrack: run %s: objects among the params are kept as text: %s", self.id, new.described(new.objects)
            )
        if differing and "differing" not in journal.warned:
            journal.warned.add("differing")
            log.warning(
                "multitrack: run %s: objects among the params have another text than recorded; the recorded "
                "text is kept: %s", self.id, prepared.described(differing),
            )  # fmt: skip

    def log_metric(self, name: str, value: Any, step: int | None = None) -> None:
        """Record one number.

        Args:
            name: The metric; any Unicode. Most trackers group by ``/``.
            value: A scalar of Python, numpy, TensorFlow, JAX or torch; NaN and ±inf are kept.
            step: The step of a point of a series; ``None`` for a simple metric, whose last value wins.

        Raises:
            TypeError: If the value is not a single number, or the step is not an integer.
            MetricKindError: If ``name`` is a list metric in this run.
            RunClosedError: If the run has ended.
        """
        journal = self._journal
        try:
            if (
                type(value) is float and type(step) is int and isfinite(value) and type(name) is str
                and -LARGEST_STEP <= step <= LARGEST_STEP and journal.past.kinds.get(name) == "series"
            ):  # fmt: skip
                # The fast path of a loop after its first round; append_metric inlined to save the call.
                journal.acquire()
                try:
                    writer = journal.writer or journal.ready()
                    journal.past.count += writer.append_metric({name: value}, step)
                    if writer.last_time >= journal.look_at:
                        journal.look(writer.last_time, settled=True)
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
            metrics: Numbers by name, as for :meth:`log_metric`.
            step: The step of all metrics; ``None`` for simple metrics.
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
            journal.append_metric(numbers, step, new)
        except Exception as error:
            self._journal.refuse("log_metric", error)

    def log_list_metric(self, name: str, values: Any) -> None:
        """Append numbers to a list metric; the index continues across calls and resumed runs.

        Args:
            name: The list metric.
            values: Numbers or a one-dimensional array, of any length. A scalar counts as a list of one. An empty list
                records nothing.

        Raises:
            TypeError: If an item is not a number, or ``values`` has several dimensions.
            MetricKindError: If ``name`` is a series with steps in this run.
            RunClosedError: If the run has ended.
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
                    journal.look(now, settled=True)
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
        version: str | None = None,
        size: int | None = None,
        schema: Any = None,
        target: str | Iterable[str] | None = None,
        objective: str | None = None,
    ) -> None:
        """Record a reference to something kept elsewhere; nothing is copied or uploaded.

        A model that the run wrote gets a version ``MAJOR.MINOR.PIPELINE`` at the run's end (docs/models.md).

        Args:
            name: Name of the artifact.
            uri: A URI, or a local path (converted to an absolute ``file://`` URI). Credentials in it are removed.
            kind: ``model``, ``dataset``, ``figure``, ``text`` or any word.
            role: ``input`` if the run read it, ``output`` if the run wrote it.
            digest: ``True`` to compute the sha256 of a local file or directory. Above 16 MiB or 1,000 files this
                happens on a thread, and the digest is recorded once known. FIFOs, devices and sockets get none.
                ``False`` for no digest. A string is the digest itself, as ``algorithm:hex``.
            version: The version of the data, such as ``delta:3``, or the version id of an S3 object. Default:
                looked up in the files of DVC, git, Git LFS, Delta and Hugging Face, and in the URI (docs/recording.md).
                Of a model: ``2.0.0`` instead of the next version by rule.
            size: Size in bytes; computed together with the digest.
            schema: Of a dataset: a mapping of columns to types, or a DataFrame. Of a model: a mapping with ``inputs``
                and ``outputs``, or a Keras model; default: read from a ``.keras`` file.
            target: The column of a dataset that is predicted, or several.
            objective: The metric by which versions of this model are compared: ``val_accuracy``, ``val_loss:min``.
                Default for a trial: the objective of its search.

        Raises:
            FileNotFoundError: If a local path does not exist (``digest=False`` records it all the same).
            TypeError: If an argument is of another type.
            ValueError: If one has no meaning for this kind and role, or another run has this version of the model.
        """
        if self.directory is None:
            return
        try:
            self._references.log(
                name, uri, kind, role, digest=digest, version=version, size=size, schema=schema, target=target,
                objective=objective,
            )  # fmt: skip
        except Exception as error:
            self._journal.refuse("log_artifact_ref", error)

    def log_lines(self, lines: str | Iterable[str], stream: str = "log") -> None:
        """Record lines of text, with the time of the call.

        Args:
            lines: One or several strings, split at their newlines; any Unicode, any length.
            stream: Origin of the lines: ``stdout``, ``stderr`` or ``log``.

        Raises:
            TypeError: If an item is not a string.
        """
        if self.directory is None:
            return
        try:
            split = split_lines(lines)
            stream = check_name(stream, "stream")
            if split:
                redaction = self._journal.redactor.begin(lines=True)
                kept = redaction.lines(split)
                self._journal.append(
                    lambda now: Lines(time=now, lines=kept, stream=stream, redacted=redaction.count), settled=True
                )
        except Exception as error:
            self._journal.refuse("log_lines", error)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags: short labels; a later value replaces an earlier one.

        Raises:
            TypeError: If a value is not a string, number or bool.
        """
        if self.directory is None:
            return
        try:
            redaction = self._journal.redactor.begin()
            self.record_tags(prepare_tags(tags, redaction), redaction.count)
        except Exception as error:
            self._journal.refuse("set_tags", error)

    def record_tags(self, tags: dict[str, str], redacted: int) -> None:
        """Record prepared tags."""
        if tags:
            self._journal.deployed |= "deployment" in tags
            self._journal.append(lambda now: Tags(time=now, values=tags, redacted=redacted))

    def set_aside(self, call: str, error: BaseException) -> None:
        """Record an invalid call as a mistake: count it, write it to the journal, and warn once per kind of call.

        For integrations (the Keras callback, the tuners), which never raise into training.
        """
        self._journal.set_aside(call, error)
