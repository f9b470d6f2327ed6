"""A place in a run: a field or a namespace, with the methods of Neptune's fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from multitrack._hints import did_you_mean
from multitrack.compat.neptune.exceptions import MissingFieldException, TypeDoesNotSupportAttributeException
from multitrack.compat.neptune.points import rows_as_frame
from multitrack.compat.paths import clean_path

if TYPE_CHECKING:  # a handler needs the four members of Run below, and Run makes handlers
    from typing import Protocol

    from multitrack.compat.neptune.store import Store

    class Container(Protocol):
        """What a handler needs of a run."""

        store: Store

        def writable(self, call: str) -> bool:
            """Return True if a call may record."""
            ...


#: Methods of fields that a journal has nothing for.
_LEFT_OUT: Final = ("delete_files",)


class Handler:
    """A field or namespace of a run: ``run["train/loss"]``."""

    def __init__(self, container: Container, path: str) -> None:
        self._container = container
        self._path = clean_path(path)
        self._store = container.store

    def __repr__(self) -> str:
        field = self._store.fields.get(self._path)
        kind = "namespace or new field" if field is None else field.kind
        return f'<{kind} "{self._path}">'

    def __getitem__(self, path: str) -> Handler:
        return Handler(self._container, f"{self._path}/{path}")

    def __setitem__(self, path: str, value: Any) -> None:
        self[path].assign(value)

    def __delitem__(self, path: str) -> None:
        self[path].pop()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in _LEFT_OUT:
            return lambda *_, **__: self._store.omissions.leave_out(name, "references stay in the journal")
        known = [each for each in dir(type(self)) if not each.startswith("_")]
        raise AttributeError(
            f"a field of multitrack.compat.neptune has no {name!r}{did_you_mean(name, known)}; "
            f"supported are {', '.join(known)}"
        )

    def _ipython_key_completions_(self) -> list[str]:
        return [name for name, _ in self._store.fields.below(self._path)]

    def assign(self, value: Any, *, wait: bool = False) -> None:
        """Set the field, or with a mapping the fields below it."""
        if isinstance(value, Handler):
            value = value.fetch()
        if self._container.writable("assign"):
            self._store.assign(self._path, value)
            self._settle(wait)

    def append(
        self, value: Any, *, step: Any = None, timestamp: Any = None, wait: bool = False, **details: Any
    ) -> None:
        """Append a number, a text or an image to a series."""
        if self._container.writable("append"):
            has_caption = any(details.get(key) for key in ("name", "description"))
            self._store.series.append(self._path, value, step, timestamp, has_caption=has_caption)
            self._settle(wait)

    def extend(
        self, values: Any, *, steps: Any = None, timestamps: Any = None, wait: bool = False, **details: Any
    ) -> None:
        """Append several values to a series."""
        del details  # names of images
        if self._container.writable("extend"):
            self._store.series.extend(self._path, values, steps, timestamps)
            self._settle(wait)

    def log(self, value: Any, *, step: Any = None, timestamp: Any = None, wait: bool = False, **details: Any) -> None:
        """Append a value or a list of values; the older name of ``append`` and ``extend``."""
        if isinstance(value, (list, tuple)):
            one = len(value) == 1
            steps, times = [step] if one and step is not None else None, [timestamp] if timestamp is not None else None
            self.extend(list(value), steps=steps, timestamps=times, wait=wait)
        else:
            self.append(value, step=step, timestamp=timestamp, wait=wait, **details)

    def add(self, values: str | Iterable[str], *, wait: bool = False) -> None:
        """Add texts to a set, such as tags."""
        if self._container.writable("add"):
            self._store.recorder.add(self._path, _texts(values))
            self._settle(wait)

    def remove(self, values: str | Iterable[str], *, wait: bool = False) -> None:
        """Remove texts from a set."""
        if self._container.writable("remove"):
            self._store.recorder.remove(self._path, _texts(values))
            self._settle(wait)

    def clear(self, *, wait: bool = False) -> None:
        """Remove all texts of a set; anything else stays in the journal."""
        field = self._store.fields.get(self._path)
        if field is not None and field.kind == "String Set":
            self.remove(list(field.value), wait=wait)
        else:
            self.pop(wait=wait)

    def pop(self, path: str | None = None, *, wait: bool = False) -> None:
        """Remove the field or namespace; the journal keeps what was recorded."""
        if self._container.writable("pop"):
            self._store.pop(self._path if path is None else f"{self._path}/{clean_path(path)}")
            self._settle(wait)

    def upload(self, value: Any, *, wait: bool = False, **options: Any) -> None:
        """Record a reference to a file, or write an image or chart beside the run."""
        del options  # how a chart's page loads its scripts
        if self._container.writable("upload"):
            self._store.files.upload(self._path, value)
            self._settle(wait)

    def upload_files(self, value: str | Iterable[str], *, wait: bool = False) -> None:
        """Record references to the files that match patterns."""
        if self._container.writable("upload_files"):
            self._store.files.upload_files(self._path, value)
            self._settle(wait)

    def track_files(self, path: str, *, destination: str | None = None, wait: bool = False) -> None:
        """Record a reference to a file, directory or URI."""
        del destination  # a place in Neptune's artifact
        if self._container.writable("track_files"):
            self._store.files.track_files(self._path, path)
            self._settle(wait)

    def download(self, destination: str | None = None, progress_bar: Any = None) -> None:
        """Copy the file, if it is on this machine."""
        del progress_bar
        self._store.files.download(self._path, destination)

    def download_last(self, destination: str | None = None) -> None:
        """Copy the last image of a series."""
        self._store.files.download(self._path, destination)

    def fetch(self) -> Any:
        """The value of the field; of a namespace, a dict of those below it, without series."""
        return self._store.fetch(self._path)

    def fetch_last(self) -> Any:
        """The last value of a series."""
        field = self._store.fields.get(self._path)
        if field is None:
            raise MissingFieldException(f"the run has no series {self._path!r}")
        if not field.is_series:
            raise TypeDoesNotSupportAttributeException(f"{self._path!r} is no series, but a field {field.kind}")
        return field.value

    def fetch_values(self, *, include_timestamp: bool | None = True, progress_bar: Any = None) -> Any:
        """The values of a series: a ``DataFrame`` with pandas, else a list of dicts."""
        del progress_bar
        return rows_as_frame(self._store.rows(self._path), with_times=include_timestamp is not False)

    def fetch_extension(self) -> str:
        """The end of a file's name, without the dot."""
        return str(self.fetch()).rpartition(".")[2]

    def get_root_object(self) -> Any:
        """The run."""
        return self._container

    def _settle(self, wait: bool) -> None:
        if wait:
            self._store.run.flush()


def _texts(values: str | Iterable[str]) -> list[str]:
    return [values] if isinstance(values, str) else [str(each) for each in values]
