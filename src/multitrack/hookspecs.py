"""Every hook, typed and documented.

A **backend** implements ``open_run``, ``flush``, ``close_run``, ``backend_options`` and the data hooks. A plugin
that is no backend may implement ``run_context``, ``find_data_version`` and ``redact``. A hook that a backend leaves
out means "nothing to do" for that kind. A **notifier** of alerts implements ``notify`` and ``notifier_options``. A
plugin that reads what a tracker, or another tool, has recorded implements ``open_source``; it may be a backend, too.

Rules for all backend hooks:

- **Caller.** A lane calls them in the courier: a separate process by default, a thread of the
  training process with ``delivery = "thread"``, or the process of ``multitrack sync``. They are never called on the
  training thread.
- **Threads.** For one run, one call at a time, in order; successive calls may come from different threads.
  For different runs of the same backend, calls come from several threads at once.
- **Repeats.** After an error, or when a courier died before it saved the position, records are delivered again,
  possibly in other batches. Each record carries its ``ordinal`` in the run: skip those that the tracker already has.
- **Errors.** Raise :class:`~multitrack.errors.RetryableError` if the same call may succeed later: the lane retries
  with exponential backoff; with ``reopen=True`` it starts again from ``open_run``. Raise
  :class:`~multitrack.errors.DeniedError` if the tracker refuses the credentials or needs a manual fix: the lane
  stops, and everything stays pending until ``multitrack sync``. Raise
  :class:`~multitrack.errors.PermanentError` if the tracker can never accept these records. Any other exception counts
  as one, except a temporary error of this machine, such as a full disk, which is retried. After a permanent error the
  records are retried one by one. Those that fail on their own are set aside with their reason, counted and kept.
  ``SystemExit`` and the like stop the lane.
- **Stand-ins.** If a tracker cannot hold a value as it is, the backend writes a visible, lossless stand-in, and the
  data hook returns one sentence for each (``"param x: 9000 characters, kept as artifact params/x.txt"``). The
  :class:`~multitrack.DeliveryReport` shows them. ``None`` means none.
- **Units.** Times are integer milliseconds since the epoch. Steps are integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from multitrack._hook_arguments import Alert, Opened, RunInfo
from multitrack.markers import hookspec
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, ModelVersion, Params, Status, Tags
from multitrack.sources.points import Point, merge_points
from multitrack.sources.run import SourceRun
from multitrack.sources.source import EmbeddedFile, Gap, Source, SourceRecord

__all__ = [
    "Alert", "EmbeddedFile", "Gap", "Hooks", "Opened", "Point", "RunInfo", "Source", "SourceRecord", "SourceRun",
    "merge_points",
]  # fmt: skip


class Hooks:
    """The specification. Plugins implement these names with ``@hookimpl``."""

    @hookspec(firstresult=True)
    def backend_options(self) -> type[msgspec.Struct] | None:
        """The backend's options as a ``msgspec.Struct`` with defaults, docstring and ``forbid_unknown_fields``.

        Called at ``start_run``, on the training thread, before anything is written, and again by each
        courier: it must not import the tracker's SDK. Values from the config are checked against the field types.
        Annotate a path with :data:`multitrack.config.PathOption`, and a URI that may be a local path with
        :data:`multitrack.config.UriOption`: relative ones are resolved against the folder of the config file. Annotate
        a list of local files to upload with :data:`multitrack.config.FilesOption`: a value that comes only from a
        journal is then not trusted. A ``__post_init__`` that raises ``ValueError`` rejects a combination of options
        (such as missing credentials). An option with a secret's name, such as ``api_key`` (docs/security.md), is not
        kept in the manifest: take its default from the environment.
        """

    @hookspec(firstresult=True)
    def environment_variables(self) -> Sequence[str] | None:
        """Names of the environment variables that the SDK needs: ``["MLFLOW_TRACKING_TOKEN", "AWS_*"]``.

        The courier gets only these and those of :data:`multitrack.environment.allowed.BASE` (paths, proxies,
        certificates, temporary directories). Name endpoints, credentials, certificates and caches. Leave out variables
        that create, name or change a run: the journal alone defines a run. A trailing ``*`` matches any suffix.

        Called at ``start_run``, on the training thread, and by ``multitrack sync``.
        """

    @hookspec(firstresult=True)
    def open_run(self, run: RunInfo) -> Opened | None:
        """Create the run in the tracker, or find it if it exists.

        Called once for each lane and courier, before any data, under the lane's lock; the first call may
        import the SDK. It may be called again for a run that is open, half-written or finished there: it must
        find that run by ``run.id`` and not create another. Do not wait for the parent; see ``link_parent``.
        Any exception but ``RetryableError`` and temporary errors of this machine, such as a full disk, stops the lane:
        everything stays pending until ``multitrack sync``.
        """

    @hookspec(firstresult=True)
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str] | None:
        """Write flattened params: ``record.values`` has ``/``-separated keys.

        :func:`~multitrack.records.typed_params` converts the values to Python types. Called at most once per batch. A
        key never changes its value, but may be delivered again. Truncate nothing: write a value that does not fit as a
        stand-in.
        """

    @hookspec(firstresult=True)
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str] | None:
        """Write points of series, ``record.numbers`` at ``record.step``, and simple metrics, which have ``step=None``.

        Called at most once per batch, with up to a few thousand records. Each record is one ``log_metric`` or
        ``log_metrics`` call, and must produce the same rows however it is batched. Steps may repeat and go back;
        numbers may be NaN, ±inf, or integers beyond 2⁵³. For simple metrics the last record wins;
        ``record.earlier`` has the number of earlier writes of each key. A simple metric with the name of a series
        (``record.beside``) is the summary of that series; if the tracker has one slot for both, write it to
        ``<name>/summary``.
        """

    @hookspec(firstresult=True)
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str] | None:
        """Append to list metrics: ``record.numbers[i]`` has step ``record.index + i``.

        Called at most once per batch. One record holds at most about 1 MiB of JSON, some 50,000 numbers.
        """

    @hookspec(firstresult=True)
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str] | None:
        """Write references: name, URI, kind, role, and if known digest (``sha256:<hex>``), version and size in bytes.

        Called at most once per batch. Nothing is copied or uploaded, and the file may no longer exist.
        """

    @hookspec(firstresult=True)
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str] | None:
        """Write lines of text, in order, of any length, without line ends.

        ``record.index`` is the 0-based number of the record's first line. Called at most once per batch. The text may
        contain terminal escapes and any other character.
        """

    @hookspec(firstresult=True)
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str] | None:
        """Write tags; a later value of a key replaces an earlier one. Called at most once per batch."""

    @hookspec(firstresult=True)
    def link_parent(self, run: RunInfo, parent_id: str) -> None:
        """Show in the tracker that ``run`` is a child of its run ``parent_id`` (the tracker's id).

        Called once both are open, before or after ``close_run``; may be called again.
        """

    @hookspec(firstresult=True)
    def find_run(self, run: RunInfo, run_id: str) -> str | None:
        """Find the tracker's id of another run of the same project by our id; ``None`` if the tracker has no such run.

        Called if the parent is in another machine's journal, a few times if it is not found at first. Backends
        without ``link_parent`` leave it out.
        """

    @hookspec(firstresult=True)
    def flush(self, run: RunInfo, position: int) -> int | None:
        """Flush the delivered records, as durably as the tracker can.

        Called after every batch; ``Run.flush`` waits for that.

        Args:
            run: The run.
            position: The ordinal below which every record was delivered or set aside.

        Returns:
            The position to resume at if the process died now; ``None`` means ``position``.
        """

    @hookspec(firstresult=True)
    def close_run(self, run: RunInfo, status: Status, time: int) -> Sequence[str] | None:
        """End the run in the tracker, durably, with its true end time.

        Called once after the last record, again after an error in it, and again if the run is resumed and ends.
        ``status`` is ``finished``, ``failed`` or ``killed``. Returns sentences for the report, as the data hooks do.
        """

    @hookspec(firstresult=True)
    def register_models(self, run: RunInfo, models: Sequence[ModelVersion]) -> Sequence[str] | None:
        """Register the versions of models that the run wrote in the tracker's model registry, by reference.

        Called before ``close_run`` if the run wrote models, after an error in it, and again if the run is resumed and
        ends: register each version once. Copy nothing. A registry is shared, so do nothing unless an option asks for
        it. Returns sentences for the report, as the data hooks do. After a permanent error the run is closed all the
        same, and the report has the reason.
        """

    @hookspec(firstresult=True)
    def set_model_alias(self, run: RunInfo, model: ModelVersion, alias: str, present: bool) -> bool | None:
        """Point an alias in the tracker's model registry at a registered version, or remove it from the model.

        Called by ``multitrack models alias``, without ``open_run``; ``run.backend_id`` is the tracker's id of the run.
        May be called again.

        Args:
            run: The run that wrote the version.
            model: The version.
            alias: The alias.
            present: False to remove the alias.

        Returns:
            True if the registry has it so now; None if no option asks for the registry.
        """

    @hookspec
    def run_context(self, project: str, name: str) -> dict[str, Any] | None:
        """Return tags and params to add to every run: ``{"tags": {...}, "params": {...}}``, both optional.

        Called on the training thread in ``start_run``, once a run, for plugins named in the config's ``plugins`` or
        registered: keep it fast. An exception is logged as a warning, and the run starts without the additions.
        """

    @hookspec
    def find_data_version(self, uri: str, path: Path | None, digest: str | None) -> str | None:
        """Return the version of a reference's data, ``<tool>:<version>``, or ``None`` if it is not known.

        Called for each ``log_artifact_ref`` without ``version=``, for plugins named in the config's ``plugins`` or
        registered, on a background thread: it may ask a server, within seconds. The run's end waits for it. The first
        version that is found counts; ours come after those of plugins (docs/recording.md). An exception is logged as a
        warning.

        Args:
            uri: The URI, not redacted.
            path: The local path; ``None`` if the URI is of another kind.
            digest: ``sha256:<hex>`` of the local data, if multitrack computed it. Without one the caller may have
                asked that the data not be read.
        """

    @hookspec
    def redact(self, text: str, name: str) -> str | None:
        """Return the redacted text, or ``None`` to leave it unchanged.

        Called after the built-in rules (docs/security.md), before a string value of a param, a tag, a line, a
        reference or a text of the manifest reaches the journal. Called on the training thread; for git's remote and
        branch, on another thread. ``name`` is the param's or tag's key, or ``""``. If it raises, the text is withheld.
        """

    @hookspec(firstresult=True)
    def notifier_options(self) -> type[msgspec.Struct] | None:
        """The notifier's options as a ``msgspec.Struct``, as in ``backend_options``.

        Called at ``start_run``, on the training thread, if the config has alerts, and by ``multitrack alerts``. The
        value of a field whose name ends in ``_variable`` is the name of an environment variable, which the courier then
        gets: use it for passwords and tokens.
        """

    @hookspec(firstresult=True)
    def notify(self, alert: Alert, options: Any) -> None:
        """Send an alert that fires or is resolved.

        Called in the courier, or by ``multitrack alerts check``, on a thread of its own, once for each change that a
        rule with this notifier makes. Take at most some ten seconds. After an exception the call is repeated a few
        times. It is also repeated if its process was killed before it could save that the call had returned: ``id`` and
        ``state`` are the same then. Never called with the contents of a journal unless a rule of the config fired.
        """

    @hookspec(firstresult=True)
    def open_source(self, address: str, tracker: str | None, columns: Mapping[str, str]) -> Source | None:
        """Open the runs that a tracker or another tool has recorded; ``None`` if the address is of another kind.

        Called by ``multitrack import``, on the main thread. Every installed plugin is asked.

        Args:
            address: A URI, or the absolute path of a file or directory.
            tracker: The name that the user chose, such as ``mlflow``: return ``None`` if it is another plugin's, and
                raise :class:`~multitrack.errors.SourceError` if it is this one's and the address cannot be opened. If
                no name was chosen, decide by the scheme, the names of files or their first bytes, without importing an
                SDK if it is of another kind.
            columns: For tables: the role of each column that the user chose, by name or pattern. A plugin that reads
                no tables leaves this argument out.
        """

    @hookspec(firstresult=True)
    def read_run(self, run: RunInfo) -> Source | None:
        """Open what the tracker holds of a delivered run, for reading; its ``runs`` yield that run alone.

        Called by ``multitrack verify``, on the main thread, without ``open_run``; ``run.backend_id`` is the tracker's
        id. Undo stand-ins and changed names, as for ``open_source``, so that the records are those of the journal. A
        backend whose tracker cannot be read from here leaves it out, or raises
        :class:`~multitrack.errors.SourceError` with the reason.
        """
