"""The pictures of docs/reading.md, taken of the grid example's report: ``python tests/pages/pictures.py`` takes them anew.

A test takes them as well, to a place of its own. Each is taken once the page shows the things that it is named for, and
:func:`lines_of` tells whether they are there in a picture; no other pixels are compared.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from click.testing import CliRunner
from matplotlib.image import imread

from browser import Page, chromium
from multitrack.cli import main

ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "docs" / "pictures"

#: The boxes within the window of the elements that are wholly in it, once all graphs in it are drawn; before, none.
BOXES = """((css) => {
  const boxes = (css, whole) => [...document.querySelectorAll(css)].map((e) => [e, e.getBoundingClientRect()])
    .filter(([e, r]) => r.width && r.height && r.left >= 0 && r.right <= innerWidth
      && (whole ? r.top >= 0 && r.bottom <= innerHeight : r.bottom > 0 && r.top < innerHeight));
  if (boxes('main:not([hidden]) figure', false).some(([figure]) => !figure.querySelector('.plot .trace'))) return [];
  return boxes(css, true).map(([e, r]) => [r.left, r.top, r.right, r.bottom].map(Math.round));
})(arguments[0])"""


class Shown(NamedTuple):
    """One picture of the page.

    Attributes:
        name: Of the file.
        fragment: The page's state.
        place: Where the window begins.
        subject: Selects the elements that it is named for.
        least: How many of them it shows.
        size: The window's width and height.
    """

    name: str
    fragment: str
    place: str
    subject: str
    least: int
    size: tuple[int, int]


_BEST = "sort=metrics.val_accuracy&down=1"
_CURVE = "main:not([hidden]) figure .plot .trace .lines"
SHOWN = (
    Shown("report-table", f"theme=light&{_BEST}&fold=metadata", "body", "table.runs tbody th.name", 9, (1100, 500)),
    Shown(
        "report-parallel", f"theme=light&{_BEST}&brush=params.learning_rate:0.0005:0.01", "#search",
        ".parallel path.line:not(.out)", 6, (1100, 380),
    ),
    Shown("report-graphs", f"theme=light&{_BEST}&smooth=0.3", "#graphs", _CURVE, 18, (1100, 720)),
    Shown("report-dark", f"theme=dark&{_BEST}&fold=metadata", "body", "table.runs tbody th.name", 9, (1100, 760)),
    Shown("report-run", "theme=light&run={best}", "body", "#single h1, #single tbody th", 5, (1100, 620)),
    Shown("report-phone", f"theme=light&{_BEST}&fold=metadata&fold=params", "body", "table.runs tbody th.name", 9, (390, 780)),
)  # fmt: skip
#: The command's pictures: their names, and the arguments after the journal's.
PLOTTED = (
    ("plot-overlay", ["-m", "val_accuracy", "--size", "7", "3"]),
    ("plot-parallel", ["--parallel", "-m", "val_accuracy"]),
)


def take(page: Page, out: Path, folder: Path) -> dict[str, list[list[int]]]:
    """All of them, of the files that the example left in ``out``.

    Returns:
        Of each of the page's pictures, the boxes of the things that it is named for: left, top, right and bottom.

    Raises:
        TimeoutException: A page did not show them.
    """
    report = (out / "report.html").as_uri()
    page.open(f"{report}#{_BEST}")
    best = page.js("document.querySelector('tbody tr').dataset.run")
    boxes = {}
    for shown in SHOWN:
        page.open(f"{report}#{shown.fragment.format(best=best)}", width=shown.size[0], height=shown.size[1])
        boxes[shown.name] = seen(page, shown)
        page.shot(folder / f"{shown.name}.png")
    for name, arguments in PLOTTED:
        line = ["plot", "--journal", str(out / ".multitrack"), "--parent", "grid", *arguments]
        done = CliRunner().invoke(
            main, [*line, "--dpi", "110", "-o", str(folder / f"{name}.png")], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
    return boxes


def seen(page: Page, shown: Shown) -> list[list[int]]:
    """Wait until the window shows the things that a picture is named for; their boxes."""
    page.js("(document.querySelector(arguments[0]).scrollIntoView(), 0)", shown.place)
    page.wait(f"{BOXES}.length >= arguments[1]", shown.subject, shown.least)
    found: list[list[int]] = page.js(BOXES, shown.subject)
    return found


def lines_of(picture: Path, boxes: list[list[int]] | None = None) -> list[int]:
    """How many pixels of each box (default: of the whole picture) are not of the box's commonest colour."""
    pixels: np.ndarray[Any, Any] = np.round(np.asarray(imread(picture))[..., :3] * 255).astype(np.int64)
    colours = pixels @ np.array([65536, 256, 1])
    found = []
    for left, top, right, bottom in boxes or [[0, 0, colours.shape[1], colours.shape[0]]]:
        _, counts = np.unique(colours[top : bottom + 1, left : right + 1], return_counts=True)
        found.append(int(counts.sum() - counts.max()))
    return found


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, chromium(Path(home) / "chromium") as browser:
        subprocess.run([sys.executable, str(ROOT / "examples" / "digits_grid.py")], check=True, cwd=home)
        take(browser, Path(home) / "digits-grid", PICTURES)
