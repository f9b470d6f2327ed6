"""Every hook, typed and documented.

A **backend** implements ``open_run``, ``flush``, ``close_run``, ``backend_options`` and the data hooks. A plugin
that is no backend may implement ``run_context`` and ``redact``. A hook that a backend leaves out means
"nothing to do" for that kind.

What holds for all backend hooks:

- **Who and where.** They are called by a lane, in the courier: a process of its own by default, a thread of the
  training process with ``delivery = "thread"``, or the process of ``multitrack sync``. Never on the
  training thread.
- **Threads.** For one run, one call at a time, in order; successive calls may come from different threads.
  For different runs of the same backend, calls come from several threads at once.
- **Repeats.** After a trouble, or when a courier died before it saved the position, a batch comes again, whole or
  cut elsewhere. Each record carries its ``ordinal`` in the run: pass over what is already held.
- **Raise** :class:`~multitrack.errors.RetryableError` when the same call may succeed later: the lane waits with
  growing pauses and calls again; with ``reopen=True`` it begins with ``open_run``. Raise
  :class:`~multitrack.errors.DeniedError` when the tracker refuses the credentials, or cannot be used before somebody
  mends it: the lane stops, and everything is pending until ``multitrack sync``. Raise
  :class:`~multitrack.errors.PermanentError` when these records never will; anything else counts as that. Records are
  then tried one by one, and those that fail alone are set aside with their reason, counted and kept. ``SystemExit``
  and its like stop the lane.
- **Stand-ins.** Where a tracker cannot hold something as it is, the backend puts a visible, lossless stand-in there,
  and the data hook returns a sentence for each (``"param x: 9000 characters, kept as artifact params/x.txt"``), which
  the :class:`~multitrack.DeliveryReport` shows. ``None`` means none.
- **Units.** Times are integer milliseconds since the epoch. Steps are integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from multitrack.journal.manifest import Context
from multitrack.markers import hookspec
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags

__all__ = ["Hooks", "Opened", "RunInfo"]


class RunInfo(msgspec.Struct, frozen=True):
    """What a backend is told of a run.

    Attributes:
        id: The run's id: letters, digits, ``-`` and ``_``. A run of another journal may have the same.
        project: The project; any Unicode.
        name: The run's name; any Unicode.
        created: When the run began.
        options: An instance of what ``backend_options`` returned.
        context: Where the training runs; show its identity, not the courier's.
        directory: A directory that is this lane's alone, to write down what a restart must know. Keep open runs by it.
        segment: Number of the journal's last segment when the lane opened: above 1, the run was resumed.
        group: Label of runs that belong together.
        parent: The parent's run id.
        notes: Free text.
        backend_id: The tracker's id for the run, once ``open_run`` gave it.
        parent_name: The parent's name, where there is a parent.
    """

    id: str
    project: str
    name: str
    created: int
    options: Any
    context: Context | None
    directory: Path
    segment: int = 1
    group: str | None = None
    parent: str | None = None
    notes: str | None = None
    backend_id: str | None = None
    parent_name: str | None = None


class Opened(msgspec.Struct, frozen=True):
    """What ``open_run`` gives back.

    Attributes:
        id: The tracker's id for the run.
        url: Where a browser shows it, or ``None``.
        position: The ordinal to resume at, where the tracker knows what it holds durably: 0 after the backend
            threw an unfinished file away, or more. ``None``: resume where the lane last saved its position.
    """

    id: str
    url: str | None = None
    position: int | None = None


class Hooks:
    """The specification. Plugins implement these names with ``@hookimpl``."""

    @hookspec(firstresult=True)
    def backend_options(self) -> type[msgspec.Struct] | None:
        """The backend's options as a ``msgspec.Struct`` with defaults, docstring and ``forbid_unknown_fields``.

        Called at ``start_run``, on the training thread, before anything is written, and again by each
        courier: it must not import the tracker's SDK. Field types are checked against the config. Annotate a
        path with :data:`multitrack.config.PathOption` and a URI that may be a local path with
        :data:`multitrack.config.UriOption`: relative ones are made absolute from the file they stand in; and a list
        that has local files sent away with :data:`multitrack.config.FilesOption`: a journal alone then cannot. A
        ``__post_init__`` that raises ``ValueError`` rejects a combination (credentials missing, say). An option called
        ``api_key`` or the like (docs/security.md) is not kept in the manifest: let its default be the environment's.
        """

    @hookspec(firstresult=True)
    def environment_variables(self) -> Sequence[str] | None:
        """Names of the environment variables that the SDK needs: ``["MLFLOW_TRACKING_TOKEN", "AWS_*"]``.

        The courier gets these, those of :data:`multitrack.environment.allowed.BASE` (paths, proxies, certificates,
        temporary directories) and no others. Name endpoints, credentials, certificates and caches. Leave out whatever
        creates, names or changes a run: a run is what the journal says. A ``*`` at the end stands for any ending.

        Called at ``start_run``, on the training thread, and by ``multitrack sync``.
        """

    @hookspec(firstresult=True)
    def open_run(self, run: RunInfo) -> Opened | None:
        """Open the run in the tracker, or find it again.

        Called once for each lane and courier, before any data, under the lane's lock; the first call may
        import the SDK. It may come again for a run that is open, half-written or finished there: it must
        find that run by ``run.id``, not make another. Do not wait for the parent; see ``link_parent``.
        Whatever it raises but ``RetryableError`` leaves the lane, with everything pending, to ``multitrack sync``.
        """

    @hookspec(firstresult=True)
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str] | None:
        """Params, flat: ``record.values`` by ``/``-separated key; :func:`~multitrack.records.typed_params` types them.

        Called with one stretch's records, at most once a stretch. A key comes with one value only, but
        may come again with the same. Truncate nothing: what does not fit goes to the tracker another way.
        """

    @hookspec(firstresult=True)
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str] | None:
        """Points of series and simple metrics: ``record.numbers`` at ``record.step``, or ``step=None``.

        Called at most once a stretch, with up to a few thousand records, each one ``log_metric`` or
        ``log_metrics`` call, and each to become the same rows however it is batched. Steps may repeat and go back;
        numbers may be NaN, ±inf, or integers beyond 2⁵³. For simple metrics the last record wins, and
        ``record.earlier`` says how often each key was written before. A simple metric beside a series of
        the same name (``record.beside``) is its summary; where the tracker has one slot for both, it goes to
        ``<name>/summary``.
        """

    @hookspec(firstresult=True)
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str] | None:
        """Stretches of list metrics: ``record.numbers[i]`` stands at step ``record.index + i``.

        Called at most once a stretch. One record holds at most about 1 MiB of JSON, some 50,000 numbers.
        """

    @hookspec(firstresult=True)
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str] | None:
        """References: name, URI, kind, role, and where known digest (``sha256:<hex>``) and size in bytes.

        Called at most once a stretch. Nothing is copied or uploaded, and the file may be gone by now.
        """

    @hookspec(firstresult=True)
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str] | None:
        """Lines of text without line ends, in order, of any length; ``record.index`` is the number of the first.

        Called at most once a stretch. Text may hold terminal escapes and any other character.
        """

    @hookspec(firstresult=True)
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str] | None:
        """Tags; a later value of a key replaces an earlier one. Called at most once a stretch."""

    @hookspec(firstresult=True)
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Show in the tracker that ``run`` is a child of its run ``parent_id`` (the tracker's id).

        Called once both are open, before or after ``close_run``; may come again.
        """

    @hookspec(firstresult=True)
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """The tracker's id of another run of the same project, of which only our id is known; ``None``: not there.

        Called where the parent is in the journal of another machine, a few times if it is not there yet. Left out by
        backends that need no ``link_parent``.
        """

    @hookspec(firstresult=True)
    def flush(self, run: RunInfo, position: int) -> int | None:
        """Make what was handed over as durable as the tracker can.

        Called after every stretch, and at ``Run.flush``.

        Args:
            run: The run.
            position: Every record with a lower ordinal was handed over or set aside.

        Returns:
            The position to resume at if everything in memory were lost now; ``None`` means ``position``.
        """

    @hookspec(firstresult=True)
    def close_run(self, run: RunInfo, status: Status, time: int) -> Sequence[str] | None:
        """End the run in the tracker, durably, with its true end time.

        Called once after the last record, again after a trouble in it, and again if the run is resumed and ends.
        ``status`` is ``finished``, ``failed`` or ``killed``. Returns sentences for the report, as the data hooks do.
        """

    @hookspec
    def run_context(self, project: str, name: str) -> dict[str, Any] | None:
        """Tags and params to add to every run: ``{"tags": {...}, "params": {...}}``, both optional.

        Called on the training thread in ``start_run``, once a run, for plugins named in the config's ``plugins`` or
        registered: keep it short. What it raises is reported as a warning, and the run starts without it.
        """

    @hookspec
    def redact(self, text: str, name: str) -> str | None:
        """A text as it may be kept, or ``None`` to leave it as it is.

        Called after the built-in rules (docs/security.md), before a string value of a param, a tag, a line, a
        reference or a text of the manifest reaches the journal: on the training thread, and for git's remote and branch
        on another. ``name`` is the param's or tag's key, or ``""``. What it raises withholds the text.
        """
