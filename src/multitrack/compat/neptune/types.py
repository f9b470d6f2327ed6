"""The value types of Neptune's 1.x client: files, and wrappers of plain values."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from multitrack.compat.media import has_html, html_of, is_image, png_of

__all__ = [
    "Artifact", "Boolean", "Datetime", "File", "FileSeries", "FileSet", "Float", "FloatSeries", "GitRef", "Integer",
    "String", "StringSeries", "StringSet",
]  # fmt: skip


class File:
    """A file on disk, or content that becomes a file in the run's directory when it is recorded.

    Attributes:
        path: The file; None for content.
        content: The content; None for a file.
        extension: The end of the file's name, without the dot.
    """

    def __init__(self, path: str | None = None, content: bytes | None = None, extension: str | None = None) -> None:
        self.path = path
        self.content = content
        self.extension = extension if path is None or extension else Path(path).suffix.removeprefix(".")

    @staticmethod
    def from_path(path: str, extension: str | None = None) -> File:
        """Name a file on disk."""
        return File(path, extension=extension)

    @staticmethod
    def from_content(content: str | bytes, extension: str | None = None) -> File:
        """Make a file of text or bytes."""
        is_text = isinstance(content, str)
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        return File(content=data, extension=extension or ("txt" if is_text else "bin"))

    @staticmethod
    def from_stream(stream: io.IOBase, seek: int | None = 0, extension: str | None = None) -> File:
        """Make a file of all that a stream has from position ``seek`` on."""
        if seek is not None and stream.seekable():
            stream.seek(seek)
        return File.from_content(stream.read(), extension)

    @staticmethod
    def as_image(image: Any, autoscale: bool = True) -> File:
        """Make a PNG of an array, an image of PIL or a figure of matplotlib."""
        return File(content=png_of(image, autoscale=autoscale), extension="png")

    @staticmethod
    def as_html(chart: Any, **options: Any) -> File:
        """Make a page of a chart of plotly, bokeh, altair or matplotlib, or of a data frame."""
        del options  # how the page loads its scripts
        page = html_of(chart)
        if page is None:
            raise TypeError(f"{type(chart).__qualname__} has no form in HTML")
        return File.from_content(page, "html")

    @staticmethod
    def as_pickle(obj: Any) -> File:
        """Make a pickle of an object."""
        return File(content=pickle.dumps(obj), extension="pkl")

    @staticmethod
    def create_from(value: Any, **options: Any) -> File:
        """Make a file of a path, an image or a chart."""
        del options
        if isinstance(value, File):
            return value
        if isinstance(value, (str, Path)):
            return File(str(value))
        return File.as_image(value) if is_image(value) else File.as_html(value)

    @staticmethod
    def is_convertable(value: Any) -> bool:
        """Return True for an object that an assignment records as a file."""
        return is_image(value) or has_html(value)

    def __repr__(self) -> str:
        return (
            f"File({self.path!r})" if self.path is not None else f"File({self.extension}, {len(self.content or b'')})"
        )


class _Atom:
    """A plain value."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Boolean(_Atom):
    """A truth value."""


class Datetime(_Atom):
    """A time."""


class Float(_Atom):
    """A number."""


class Integer(_Atom):
    """An integer."""


class String(_Atom):
    """A text."""


class Artifact(_Atom):
    """An artifact by its hash alone, which names no place."""


class FileSet(_Atom):
    """A pattern of paths, or several."""


class StringSet:
    """A set of texts, such as tags."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = list(values)


class _Series:
    """Values of a series.

    Args:
        values: The values.
        timestamps: Their times.
        steps: Their steps.
        display: How a chart shows them, which has no effect.
    """

    def __init__(
        self, values: Iterable[Any], timestamps: Any = None, steps: Iterable[float] | None = None, **display: Any
    ) -> None:
        del display
        self.values = list(values)
        self.timestamps = timestamps
        self.steps = None if steps is None else list(steps)


class FloatSeries(_Series):
    """Numbers."""


class StringSeries(_Series):
    """Texts."""


class FileSeries(_Series):
    """Images."""


class GitRef:
    """The repository whose state is recorded; multitrack finds it by itself."""

    DISABLED = False

    def __init__(self, repository_path: Any = None) -> None:
        self.repository_path = repository_path
