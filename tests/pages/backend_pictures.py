"""The pictures of the READMEs of MLflow, W&B and Prometheus, taken anew::

    PYTHONPATH=plugins/mlflow/tests:plugins/prometheus/tests python tests/pages/backend_pictures.py [name]

MLflow's and Prometheus' pages are taken of their real servers, in Chromium. W&B's page is hosted, so the picture of a
run there is one of its SDK's own viewer in a terminal, for which the script needs ``pip install pyte``. Grafana is in no Debian release, so the
picture of a run there is one of Prometheus' own page.
"""

import contextlib
import fcntl
import html
import importlib
import math
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mlflow_server import mlflow_server
from PIL import Image
from prometheus_server import free_port, prometheus
from selenium.webdriver.support.ui import WebDriverWait

import multitrack
from browser import Page, chromium

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
#: Maximum size of a picture, in bytes, and of its palette.
LARGEST, COLOURS = 80_000, 96
#: What a terminal answers to the questions for its cursor, its background and its kind.
ANSWERS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b]11;?": b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\", b"\x1b[c": b"\x1b[?1;2c"}
TRAINING = """
import math, multitrack

config = {"journal": "journal", "delivery": "off", "wandb": {"mode": "offline"}}
params = {"learning_rate": 0.001, "batch_size": 32}
with multitrack.start_run("digits", "baseline", config=config, backends=["wandb"], params=params) as run:
    for epoch in range(60):
        run.log_metrics({"loss": math.exp(-epoch / 15), "accuracy": 1 - 0.9 * math.exp(-epoch / 12)}, step=epoch)
        run.log_metrics({"val/loss": math.exp(-epoch / 18), "val/accuracy": 1 - 0.9 * math.exp(-epoch / 11)}, step=epoch)
multitrack.sync("journal")
"""


def of_mlflow(page: Page, home: Path) -> None:
    """A run's artifacts, with the figure that ``upload`` allows."""
    with mlflow_server(home) as url:
        options = {"tracking_uri": url, "upload": ["figure"]}
        config = {"journal": str(home / "journal"), "delivery": "thread", "mlflow": options}
        params = {"learning_rate": 0.001, "batch_size": 32}
        with multitrack.start_run("digits", "baseline", params=params, config=config, backends=["mlflow"]) as run:
            for epoch in range(20):
                run.log_metrics(
                    {"loss": math.exp(-epoch / 6), "val_accuracy": 1 - 0.9 * math.exp(-epoch / 4)}, step=epoch
                )
            run.log_lines(["training", "done"])
            run.log_artifact_ref("confusion", confusion(home / "confusion.png"), kind="figure")
        page.open(f"{run.urls['mlflow']}/artifacts/figure/confusion.png", width=1100, height=620)
        shown = "[...document.images].some((image) => image.src.startsWith('blob:') && image.naturalWidth)"
        WebDriverWait(page.driver, 60).until(lambda _: page.js(shown))
        for button in page.all("[data-component-id='mlflow.assistant.chat_panel.close']"):  # not a part of the run
            button.click()
        settle(page)
        page.shot(home / "mlflow-run.png")


def of_wandb(page: Page, home: Path) -> None:
    """A run in ``wandb leet``, drawn by a page as a terminal would."""
    (home / "train.py").write_text(TRAINING)
    python = home / "python"  # its path is in the picture
    python.symlink_to(sys.executable)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "WANDB_ERROR_REPORTING": "false",
    }
    environment |= {"HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    environment["WANDB_BASE_URL"] = "http://127.0.0.1:9"  # nobody
    subprocess.run([python, "train.py"], cwd=home, env=environment, check=True)
    (session,) = (home / "wandb").glob("offline-run-*")
    (home / "leet.html").write_text(terminal([sys.executable, "-m", "wandb", "leet", str(session)], environment))
    page.open((home / "leet.html").as_uri(), width=1090, height=350)
    settle(page)
    page.shot(home / "wandb-run.png")


def terminal(command: list[str], environment: dict[str, str]) -> str:
    """The page of what a command shows in a terminal for 15 seconds; it is killed then."""
    pyte = importlib.import_module("pyte")
    width, height = 120, 20
    screen = pyte.Screen(width, height)
    stream = pyte.ByteStream(screen)
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment,
                               start_new_session=True)  # fmt: skip
    deadline = time.monotonic() + 15
    # They hide its side bars: one leaves out most of the config, the other one has the system's metrics.
    keys = {5.0: b"[", 10.0: b"]"}
    while (left := deadline - time.monotonic()) > 0:
        for moment in [moment for moment in keys if left < moment]:
            os.write(leader, keys.pop(moment))
        if select.select([leader], [], [], 0.2)[0]:
            shown = os.read(leader, 65536)
            for question, answer in ANSWERS.items():
                if question in shown:
                    os.write(leader, answer)
            stream.feed(shown)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    os.close(leader)
    os.close(follower)
    lines = []
    for y in range(height):
        cells = [screen.buffer[y][x] for x in range(width)]
        lines.append("".join(
            f'<i style="left:{x * 9}px;top:{y * 17}px;color:{colour(cell.fg, "#222")};'
            f'background:{colour(cell.bg, "#fff")};font-weight:{700 if cell.bold else 400}">{html.escape(cell.data)}</i>'
            for x, cell in enumerate(cells)
        ))  # fmt: skip
    style = "i{position:absolute;width:9px;height:17px;font:14px/17px 'DejaVu Sans Mono',monospace;overflow:hidden}"
    return f"<!doctype html><meta charset=utf-8><style>body{{background:#fff}}{style}</style>{''.join(lines)}"


def colour(name: str, default: str) -> str:
    """A terminal's colour in CSS."""
    return (
        default
        if name == "default"
        else f"#{name}"
        if len(name) == 6 and set(name) <= set("0123456789abcdef")
        else name
    )


def of_prometheus(page: Page, home: Path) -> None:
    """Three trainings at once, as Prometheus draws what it has asked for every fifth of a second."""
    port = free_port()
    with prometheus(home / "prometheus", port) as server, contextlib.ExitStack() as runs:
        config = {"journal": str(home / "journal"), "interval": 0.2, "prometheus": {"port": port, "hold": 0.0}}
        rates = (0.1, 0.01, 0.001)
        training = [
            runs.enter_context(
                multitrack.start_run("digits", run_id=f"lr-{rate:.0e}", config=config, backends=["prometheus"])
            )
            for rate in rates
        ]
        for step in range(240):
            for rate, run in zip(rates, training, strict=True):
                run.log_metric("loss", 2.3 * math.exp(-step * (1 + math.log10(rate * 1000)) / 300), step=step)
            time.sleep(0.25)
        query = "g0.expr=sum%20by%20(run)%20(multitrack_metric%7Bmetric%3D%22loss%22%7D)&g0.tab=0&g0.range_input=1m"
        page.open(f"{server.url}/graph?{query}", width=1100, height=920)
        drawn = (
            "[...document.querySelectorAll('*')].some((e) => !e.children.length && e.textContent.includes('lr-1e-03'))"
        )
        WebDriverWait(page.driver, 60).until(lambda _: page.js(drawn))
        settle(page)
        page.shot(home / "prometheus-runs.png")


def confusion(path: Path) -> Path:
    """Draw the confusion matrix of a classifier that is mostly right."""
    from matplotlib.figure import Figure

    counts = np.full((10, 10), 1) + np.diag(np.arange(30, 40))
    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="true", xticks=range(10), yticks=range(10), title="confusion")
    figure.savefig(path)
    return path


def settle(page: Page) -> None:
    """Wait until two pictures in a row are the same."""
    before, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(1)
        now = page.driver.get_screenshot_as_png()
        if now == before:
            return
        before = now


def keep(taken: Path) -> None:
    """Put a picture among those of the docs, with few colours, so that it is small."""
    target = PICTURES / taken.name
    with Image.open(taken) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    size = target.stat().st_size
    assert size <= LARGEST, f"{target} has {size} bytes"
    print(target, size)


TAKERS: dict[str, Callable[[Page, Path], None]] = {"mlflow": of_mlflow, "wandb": of_wandb, "prometheus": of_prometheus}

if __name__ == "__main__":
    for name in sys.argv[1:] or TAKERS:
        with tempfile.TemporaryDirectory() as place, chromium(Path(place) / "chromium") as browser:
            TAKERS[name](browser, Path(place))
            for found in Path(place).glob(f"{name}-*.png"):
                keep(found)
