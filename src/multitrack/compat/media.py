"""Turn images, charts and tables of any library into the bytes of a file; recognized by their class, not imported."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, Final

from multitrack.inputs.values import as_array

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: PNG's color type by number of channels.
_COLORS: Final = {1: 0, 2: 4, 3: 2, 4: 6}


def is_image(value: Any) -> bool:
    """Return True for an image of PIL or a figure of matplotlib: objects that can be nothing else."""
    return _library(value) == "PIL" or (_library(value) == "matplotlib" and hasattr(value, "savefig"))


def has_html(value: Any) -> bool:
    """Return True for a chart or frame that can be written as HTML."""
    library = _library(value)
    return library == "bokeh" or (
        library in ("plotly", "altair", "pandas", "polars")
        and (hasattr(value, "to_html") or hasattr(value, "_repr_html_"))
    )


def png_of(image: Any, *, autoscale: bool = True) -> bytes:
    """The bytes of an image as PNG.

    Args:
        image: An image of PIL, a figure of matplotlib, or an array of two dimensions, or of three with 1 to 4 channels.
        autoscale: True if floats from 0 to 1 are the whole range of brightness; otherwise 255 is the largest.

    Raises:
        TypeError: If it is none of these.
    """
    stream = io.BytesIO()
    if _library(image) == "PIL":
        image.save(stream, format="PNG")
        return stream.getvalue()
    figure: Any = image if hasattr(image, "savefig") else getattr(image, "figure", None)
    if _library(image) == "matplotlib" and hasattr(figure, "savefig"):
        figure.savefig(stream, format="png")
        return stream.getvalue()
    array = as_array(image)
    if array is None and isinstance(image, (list, tuple)):
        import numpy as np  # noqa: PLC0415 - only for an image given as a list

        array = np.asarray(image)
    if array is None or array.ndim not in (2, 3) or 0 in array.shape:
        raise TypeError(f"an image must be one of PIL, matplotlib or an array, got {type(image).__qualname__}")
    return _encoded(array if array.ndim == 3 else array[:, :, None], autoscale=autoscale)


def html_of(chart: Any) -> str | None:
    """A chart or frame as HTML; None if it has no such form."""
    if isinstance(chart, str):
        return chart
    if is_image(chart):
        import base64  # noqa: PLC0415 - rarely used

        return f'<img src="data:image/png;base64,{base64.b64encode(png_of(chart)).decode()}">'
    if _library(chart) == "bokeh":
        from bokeh.embed import file_html  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        from bokeh.resources import CDN  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        return str(file_html(chart, CDN))
    for method in ("to_html", "_repr_html_"):
        convert = getattr(chart, method, None)
        if callable(convert) and not isinstance(chart, type):
            return str(convert())
    return None


def _encoded(array: Any, *, autoscale: bool) -> bytes:
    """Encode an array (height, width, channels) as PNG."""
    height, width, channels = array.shape
    if channels not in _COLORS:
        raise TypeError(f"an image has 1 to 4 channels, got the shape {tuple(array.shape)}")
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and autoscale and array.min() >= 0 and array.max() <= 1):
        array = array * 255
    bytes_of_rows = array.clip(0, 255).round().astype("uint8")
    raw = b"".join(b"\0" + row.tobytes() for row in bytes_of_rows)  # filter 0: the bytes themselves
    head = struct.pack(">IIBBBBB", width, height, 8, _COLORS[channels], 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(raw)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]
