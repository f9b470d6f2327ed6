"""Images, tables and other values of W&B that a series cannot hold: each is a file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from multitrack.compat.media import html_of, png_of
from multitrack.compat.numbers import number_of
from multitrack.inputs.values import as_array


class Media:
    """A value that is a file: one on disk, or content that is written beside the run.

    Attributes:
        path: The file; None for content.
        content: The content; None for a file, and for what has no form here.
        caption: A caption.
    """

    #: The kind of the reference.
    kind: ClassVar[str] = "file"
    #: The end of the file's name.
    suffix: ClassVar[str] = ""

    def __init__(self, path: Path | None = None, content: bytes | str | None = None, caption: Any = None) -> None:
        self.path = path
        self.content = content
        self.caption = caption


class Image(Media):
    """An image: a path, an array, an image of PIL or a figure of matplotlib."""

    kind = "figure"
    suffix = ".png"

    def __init__(self, data_or_path: Any, mode: str | None = None, caption: str | None = None, **options: Any) -> None:
        del mode, options  # boxes and masks on it
        if isinstance(data_or_path, Image):
            super().__init__(data_or_path.path, data_or_path.content, caption or data_or_path.caption)
        elif isinstance(data_or_path, (str, Path)):
            super().__init__(Path(data_or_path), caption=caption)
        else:
            super().__init__(content=png_of(_channels_last(data_or_path)), caption=caption)


class Histogram(Media):
    """The numbers of values in bins, as JSON."""

    kind = "histogram"
    suffix = ".json"

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        if np_histogram is None:
            import numpy as np  # noqa: PLC0415 - only for a histogram of values

            array = as_array(sequence)
            np_histogram = np.histogram(np.asarray(sequence if array is None else array).ravel(), bins=num_bins)
        counts, edges = np_histogram
        self.histogram = [number_of(count) for count in counts]
        self.bins = [number_of(edge) for edge in edges]
        super().__init__(content=json.dumps({"bins": self.bins, "values": self.histogram}))


class Html(Media):
    """A page: HTML, or the path of a file of it."""

    kind = "html"
    suffix = ".html"

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        del inject  # a style sheet
        if isinstance(data, Path) or (isinstance(data, str) and not data_is_not_path and data.endswith(".html")):
            super().__init__(Path(data))
        else:
            super().__init__(content=data if isinstance(data, str) else data.read())


class Plotly(Html):
    """A chart of plotly or matplotlib."""

    def __init__(self, figure: Any) -> None:
        super().__init__(html_of(figure) or "", data_is_not_path=True)


class Video(Media):
    """A video: the path of a file, or a stream of one. Arrays of frames have no form here."""

    kind = "video"
    suffix = ".mp4"

    def __init__(self, data_or_path: Any, caption: str | None = None, fps: int | None = None, **options: Any) -> None:
        del fps, options  # the format, which the path has
        super().__init__(*_path_or_content(data_or_path), caption=caption)


class Audio(Media):
    """A sound: the path of a file. Arrays of samples have no form here."""

    kind = "audio"
    suffix = ".wav"

    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        del sample_rate
        super().__init__(*_path_or_content(data_or_path), caption=caption)


class Table(Media):
    """A table, as JSON; images and other files in it are their captions.

    Attributes:
        columns: The names of the columns.
        data: The rows.
    """

    kind = "table"
    suffix = ".table.json"

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        **options: Any,
    ) -> None:
        del options  # types of columns
        super().__init__()
        source = dataframe if dataframe is not None else data if data is not None else rows
        if hasattr(source, "columns") and hasattr(source, "to_numpy"):  # a data frame
            self.columns = list(source.columns) if columns is None else list(columns)
            self.data = [list(row) for row in source.to_numpy()]
        else:
            self.data = [] if source is None else [list(row) for row in source]
            width = len(self.data[0]) if self.data else 3
            names = ["Input", "Output", "Expected"] if width == 3 else [str(number) for number in range(width)]
            self.columns = names if columns is None else list(columns)

    def add_data(self, *data: Any) -> None:
        """Add a row.

        Raises:
            ValueError: If it has not one value for each column.
        """
        if len(data) != len(self.columns):
            raise ValueError(f"the table has {len(self.columns)} columns, and the row {len(data)} values")
        self.data.append(list(data))

    def add_column(self, name: str, data: Any) -> None:
        """Add a column."""
        values = list(data)
        self.columns.append(name)
        self.data = self.data or [[] for _ in values]
        for row, value in zip(self.data, values, strict=True):
            row.append(value)

    def get_column(self, name: str, convert_to: str | None = None) -> Any:
        """The values of a column; as an array with ``convert_to="numpy"``."""
        place = self.columns.index(name)
        values = [row[place] for row in self.data]
        if convert_to == "numpy":
            import numpy as np  # noqa: PLC0415 - asked for

            return np.array(values)
        return values

    def get_dataframe(self) -> Any:
        """The table as a ``DataFrame`` of pandas."""
        import pandas as pd  # noqa: PLC0415 - asked for

        return pd.DataFrame(self.data, columns=self.columns)

    def text(self) -> str:
        """The table as JSON."""
        rows = [[_cell(value) for value in row] for row in self.data]
        return json.dumps({"columns": self.columns, "data": rows}, default=str)


def media_of(value: Any) -> Media | None:
    """A value of W&B's types, an image, a chart or an array as a file; None for anything else."""
    from multitrack.compat.media import has_html, is_image  # noqa: PLC0415 - not before something is no number

    if isinstance(value, Media):
        return value
    if is_image(value):
        return Image(value)
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        return Table(dataframe=value)
    if has_html(value):
        return Plotly(value)
    array = as_array(value)
    return Histogram(array) if array is not None and array.size and array.dtype.kind in "biuf" else None


def content_of(media: Media) -> bytes | str | None:
    """The content of a file that is to be written."""
    return media.text() if isinstance(media, Table) else media.content


def _cell(value: Any) -> Any:
    if isinstance(value, Media):
        return value.caption or (str(value.path) if value.path else type(value).__name__)
    number = number_of(value)
    return value if number is None else number


def _path_or_content(data: Any) -> tuple[Path | None, bytes | None]:
    if isinstance(data, (str, Path)):
        return Path(data), None
    return None, data.read() if isinstance(data, io.IOBase) else None


def _channels_last(image: Any) -> Any:
    """An image of torch with its channels last, as other libraries have them."""
    if type(image).__module__.partition(".")[0] == "torch" and image.ndim == 3 and image.shape[0] in (1, 3, 4):
        return image.permute(1, 2, 0)
    return image
