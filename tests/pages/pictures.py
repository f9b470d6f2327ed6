"""The pictures of docs/reading.md, taken of the grid example's report: ``python tests/pages/pictures.py`` takes them anew.

A test takes them as well, to a place of its own, so that what they show is there; it does not compare pixels.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from browser import Page, chromium
from multitrack.cli import main

ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "docs" / "pictures"


def take(page: Page, out: Path, folder: Path) -> None:
    """All of them, of what the example left in ``out``."""
    report = (out / "report.html").as_uri()

    def shot(name: str, fragment: str, place: str, height: int, width: int = 1100) -> None:
        page.open(f"{report}#{fragment}", width=width, height=height)
        page.js("(document.querySelector(arguments[0]).scrollIntoView(), 0)", place)
        page.wait(
            "[...document.querySelectorAll('main:not([hidden]) figure')].filter((f) => f.inView).every((f) => f.querySelector('.plot').data)"
        )
        page.shot(folder / f"{name}.png")

    best = "sort=metrics.val_accuracy&down=1"
    shot("report-table", f"theme=light&{best}&fold=metadata", "body", 500)
    shot("report-parallel", f"theme=light&{best}&brush=params.learning_rate:0.0005:0.01", "#search", 380)
    shot("report-graphs", f"theme=light&{best}&smooth=0.3", "#graphs", 640)
    shot("report-dark", f"theme=dark&{best}", "body", 760)
    page.open(f"{report}#{best}")
    run = page.js("document.querySelector('tbody tr').dataset.run")
    shot("report-run", f"theme=light&run={run}", "body", 620)
    shot("report-phone", f"theme=light&{best}&fold=metadata&fold=params", "body", 780, width=390)
    journal = ["--journal", str(out / ".multitrack"), "--parent", "grid"]
    for name, arguments in (
        ("plot-overlay", ["-m", "val_accuracy", "--size", "7", "3"]),
        ("plot-parallel", ["--parallel", "-m", "val_accuracy"]),
    ):
        line = ["plot", *journal, *arguments, "--dpi", "110", "-o", str(folder / f"{name}.png")]
        done = CliRunner().invoke(main, line, catch_exceptions=False)
        assert done.exit_code == 0, done.output


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, chromium(Path(home) / "chromium") as browser:
        subprocess.run([sys.executable, str(ROOT / "examples" / "digits_grid.py")], check=True, cwd=home)
        take(browser, Path(home) / "digits-grid", PICTURES)
