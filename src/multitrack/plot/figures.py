"""Create, check and save matplotlib figures without a display."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from multitrack._hints import to_install
from multitrack.journal.atomic import write_output
from multitrack.security.terminal import safe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = (".png", ".svg", ".pdf")
#: Maximum length of a side in inches, and number of pixels.
LARGEST, _PIXELS = 200, 200_000_000
#: Maximum number of characters of a metric's name.
METRIC: Final = 48
#: Style of a note above a panel.
NOTE: Final[dict[str, Any]] = {"loc": "right", "fontsize": "small", "color": "#57606a"}
_GAPS: Final[dict[str, Any]] = {"fontsize": 7, "color": "#57606a", "annotation_clip": False}
#: Line spacing of a note, and space between panel and title, in points.
_LEADING, _PAD = 8.5, 6.0
#: Minimum number of characters of a line, even above a narrow panel.
_LINE: Final = 16


def save(figure: Figure, path: str | Path, dpi: int = 150) -> None:
    """Write a figure as PNG, SVG or PDF, by the file's suffix. Equal figures give equal bytes.

    Raises:
        ValueError: The format is unknown, or the picture would be too large.
        OSError: The file cannot be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - an extra

    suffix = check_format(path)
    check_pixels(figure, path, dpi)
    stamp = {".svg": "Date", ".pdf": "CreationDate"}.get(suffix)
    picture = io.BytesIO()
    with rc_context({"svg.hashsalt": "multitrack"}), _quiet():
        figure.savefig(picture, format=suffix[1:], dpi=dpi, metadata={stamp: None} if stamp else None)
    write_output(Path(path), picture.getvalue())


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress matplotlib's warnings about texts that it draws anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # it draws a box instead
        warnings.filterwarnings("ignore", "constrained_layout not applied")  # it is too small for its texts
        yield


def note_gaps(figure: Figure, notes: Mapping[Axes, str]) -> dict[Axes, float]:
    """Write notes on missing values above the panels, wrapped to each panel's width.

    Args:
        figure: The figure, complete except for these notes and the title.
        notes: The note of each panel; empty for none.

    Returns:
        The space between each panel and a title above its note, in points.
    """
    pads = dict.fromkeys(notes, _PAD)
    if not any(notes.values()):
        return pads
    with _quiet():
        figure.draw_without_rendering()  # determines the widths of the panels
        for panel, note in notes.items():
            if not note:
                continue
            text = panel.annotate(note, (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", **_GAPS)
            width = len(note)
            while width > _LINE and text.get_window_extent().width > panel.get_window_extent().width:
                width -= max(1, width // 20)
                text.set_text(textwrap.fill(note, width))
            pads[panel] = _PAD + _LEADING * (1 + text.get_text().count("\n"))
    return pads


def check_format(path: str | Path) -> str:
    """Return the suffix of a picture's name.

    Raises:
        ValueError: The format is unknown.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{str(path)!r}: the format must be one of {', '.join(FORMATS)}")
    return suffix


def check_pixels(figure: Figure, path: str | Path, dpi: int) -> None:
    """Check that a picture would not be too large.

    Raises:
        ValueError: It would have too many pixels.
    """
    width, height = (int(side * dpi) for side in figure.get_size_inches())
    if Path(path).suffix.lower() == ".png" and width * height > _PIXELS:
        raise ValueError(f"the picture would have {width:,} x {height:,} pixels, which is too many")


def check_size(size: tuple[float, float]) -> None:
    """Check a picture's size in inches.

    Raises:
        ValueError: A side is out of range.
    """
    if not all(1 <= side <= LARGEST for side in size):
        raise ValueError(f"a picture must be 1 to {LARGEST} inches wide and high, got {size[0]:g} and {size[1]:g}")


def new_figure(size: tuple[float, float]) -> Figure:
    """Create an empty figure, with its width and height in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and half a second
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib: {to_install('plot')}", name="matplotlib") from error
    return Figure(figsize=size, layout="constrained")


def plain_text(text: object) -> str:
    """Escape a text for matplotlib: a dollar sign starts no formula, and a leading underscore hides no label."""
    shown = safe(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
