"""The pictures of the READMEs of MLflow and Prometheus, taken anew::

    PYTHONPATH=plugins/mlflow/tests:plugins/prometheus/tests python tests/pages/backend_pictures.py [name]

MLflow's and Prometheus' pages are taken of their real servers, in Chromium. Grafana is in no Debian release, so the
picture of a run there is one of Prometheus' own page.
"""

import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mlflow_server import mlflow_server
from PIL import Image
from prometheus_server import free_port, prometheus
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import multitrack
from browser import Page, chromium

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
#: Maximum size of a picture, in bytes, and of its palette.
LARGEST, COLOURS = 80_000, 96


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
        now = page.driver.find_element(By.TAG_NAME, "body").screenshot_as_png
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


TAKERS: dict[str, Callable[[Page, Path], None]] = {"mlflow": of_mlflow, "prometheus": of_prometheus}

if __name__ == "__main__":
    for name in sys.argv[1:] or TAKERS:
        with tempfile.TemporaryDirectory() as place, chromium(Path(place) / "chromium") as browser:
            TAKERS[name](browser, Path(place))
            for found in Path(place).glob(f"{name}-*.png"):
                keep(found)
