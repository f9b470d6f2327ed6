"""The run object of Neptune's 1.x client."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

from multitrack._hints import did_you_mean
from multitrack.compat.neptune.exceptions import InactiveRunException
from multitrack.compat.neptune.fields import Field
from multitrack.compat.neptune.handler import Handler
from multitrack.compat.neptune.opening import open_run
from multitrack.compat.neptune.store import Store
from multitrack.compat.paths import clean_path, nested
from multitrack.environment.notebook import current_cell

#: Arguments that say how Neptune's client sends, and what it records of the machine: they mean nothing here.
_WITHOUT_MEANING: Final = frozenset({
    "api_token", "async_lag_callback", "async_lag_threshold", "async_no_progress_callback",
    "async_no_progress_threshold", "capture_hardware_metrics", "capture_traceback", "fail_on_exception", "flush_period",
    "git_ref", "monitoring_namespace", "proxies",
})  # fmt: skip


class Run:
    """A run with the calls of Neptune's 1.x client, recorded in the journal.

    Args:
        with_id: Id of the run to continue.
        project: The project; default: ``NEPTUNE_PROJECT``, or multitrack's own default.
        custom_run_id: An id of your own, of a run that is new or continued.
        mode: ``debug`` records nothing, ``read-only`` reads; every other mode records. Default: ``NEPTUNE_MODE``.
        name: Readable name.
        description: Notes.
        tags: Labels, one or several.
        source_files: Further files of the source, as patterns; they become references.
        capture_stdout: True to record what is printed; default: yes, except in notebooks.
        capture_stderr: The same for the error output.
        dependencies: A file with requirements; it becomes a reference.
        options: Other arguments of Neptune, which mean nothing here.

    Attributes:
        run: The run of multitrack, for its own calls.
    """

    def __init__(
        self,
        with_id: str | None = None,
        *,
        project: str | None = None,
        custom_run_id: str | None = None,
        mode: str | None = None,
        name: str | None = None,
        description: str | None = None,
        tags: str | Iterable[str] | None = None,
        source_files: str | Iterable[str] | None = None,
        capture_stdout: bool | None = None,
        capture_stderr: bool | None = None,
        dependencies: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        with_id = options.pop("run", None) if with_id is None else with_id  # its name before 1.0
        labels = [tags] if isinstance(tags, str) else list(tags or ())
        wanted = {"stdout": capture_stdout, "stderr": capture_stderr}
        default = current_cell() is None
        capture = [stream for stream, choice in wanted.items() if (default if choice is None else choice)]
        opened = open_run(with_id, custom_run_id, mode, project, name, description, labels, capture)
        self.run = opened.run
        self.store = Store(opened.run, opened.fields, opened.directory)
        self._directory = opened.directory
        self._is_read_only = opened.directory is not None and opened.run.directory is None
        self._is_stopped = False
        self._set_own_fields()
        if opened.shared:
            self.store.omissions.say_once(
                "init_run", "another process writes the run of this id, and this is its child"
            )
        for option in sorted(options.keys() - _WITHOUT_MEANING):
            self.store.omissions.leave_out("init_run", f"there is no argument {option!r}")
        if source_files and not self._is_read_only:
            self.store.files.upload_files("source_code/files", source_files)
        if dependencies is not None and dependencies != "infer" and not self._is_read_only:
            self.store.files.upload("source_code/requirements", os.fspath(dependencies))

    def __getitem__(self, path: str) -> Handler:
        return Handler(self, path)

    def __setitem__(self, path: str, value: Any) -> None:
        self[path].assign(value)

    def __delitem__(self, path: str) -> None:
        self[path].pop()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the run itself: callbacks that hold it are copied."""
        return self

    def __enter__(self) -> Self:
        self.run.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopped = True
        self.run.__exit__(kind, error, trace)

    def __getattr__(self, name: str) -> Any:
        known = [each for each in dir(type(self)) if not each.startswith("_") and each != "writable"]
        raise AttributeError(
            f"a run of multitrack.compat.neptune has no {name!r}{did_you_mean(name, known)}; "
            f"supported are {', '.join(known)}"
        )

    def __repr__(self) -> str:
        return f"<neptune run {self._sys_id} in {self.get_url()}>"

    def _ipython_key_completions_(self) -> list[str]:
        return [name for name, _ in self.store.fields.below("")]

    def writable(self, call: str) -> bool:
        """Return True if a call may record.

        Raises:
            InactiveRunException: If the run was stopped.
        """
        if self._is_stopped:
            raise InactiveRunException(f"{call} after the end of run {self._sys_id}: init_run(with_id=…) continues it")
        if self._is_read_only:
            self.store.omissions.leave_out(call, 'the run was opened with mode="read-only"')
        return not self._is_read_only

    def assign(self, value: Any, *, wait: bool = False) -> None:
        """Set several fields, given as a mapping."""
        self[""].assign(value, wait=wait)

    def define(self, path: str, value: Any, *, wait: bool = False) -> Handler:
        """Set a field, and return it."""
        self[path].assign(value, wait=wait)
        return self[path]

    def fetch(self) -> dict[str, Any]:
        """The values of all fields, as nested dicts, without series."""
        found: dict[str, Any] = self[""].fetch()
        return found

    def pop(self, path: str, *, wait: bool = False) -> None:
        """Remove a field or namespace; the journal keeps what was recorded."""
        self[path].pop(wait=wait)

    def exists(self, path: str) -> bool:
        """Return True if there is such a field or namespace."""
        path = clean_path(path)
        return self.store.fields.get(path) is not None or next(self.store.fields.below(path), None) is not None

    def get_attribute(self, path: str) -> Handler | None:
        """The field of a path; None if there is none."""
        return self[path] if self.store.fields.get(clean_path(path)) is not None else None

    def get_structure(self) -> dict[str, Any]:
        """The fields as nested dicts."""
        return nested((path, self[path]) for path, _ in self.store.fields.below(""))

    def print_structure(self) -> None:
        """Print the fields with their types."""
        for path, field in sorted(self.store.fields.below("")):
            print(f"{path}: {field.kind}")  # noqa: T201 - asked for

    def get_root_object(self) -> Run:
        """The run itself."""
        return self

    def get_url(self) -> str:
        """The run's page in a tracker that has it by now, or its directory in the journal."""
        urls = self.run.urls
        return next(iter(urls.values()), "" if self._directory is None else self._directory.absolute().as_uri())

    def get_state(self) -> str:
        """``started`` or ``stopped``."""
        return "stopped" if self._is_stopped else "started"

    def sync(self, *, wait: bool = True) -> None:
        """Wait until every configured tracker has what was recorded; nothing waits with ``wait=False``."""
        if wait:
            self.run.flush()

    def wait(self, *, disk_only: bool = False) -> None:
        """Wait for the trackers; on disk, everything is already."""
        if not disk_only:
            self.run.flush()

    def ping(self) -> None:
        """Do nothing: the journal's files tell that a run is alive."""

    def start(self) -> None:
        """Do nothing: a run is started when it is made."""

    def stop(self, *, seconds: float | None = None) -> None:
        """End the run, and wait for the trackers as long as records move, whatever ``seconds`` is."""
        del seconds
        if not self._is_stopped:
            self._is_stopped = True
            self.run.end()

    @property
    def _sys_id(self) -> str:
        return self.run.id if self._directory is None else self._directory.name

    def _set_own_fields(self) -> None:
        """Set the fields that Neptune sets by itself, so far as they can be fetched and are known."""
        run, fields = self.run, self.store.fields
        created = datetime.datetime.fromtimestamp((run.manifest.created or 0) / 1000, datetime.UTC)
        known = {
            "sys/id": self._sys_id, "sys/name": run.name, "sys/description": run.manifest.notes or "",
            "sys/creation_time": created, "sys/failed": False, "sys/state": "running",
        }  # fmt: skip
        for path, value in known.items():
            if fields.get(path) is None:
                fields[path] = Field("Datetime" if path == "sys/creation_time" else "String", value)
        fields.members("sys/tags")
