"""Journals for the tests of pages."""

import math
from pathlib import Path
from typing import Any

import multitrack

RATES = (0.01, 0.001, 0.0001)
SIZES = (32, 64, 128)
NAMES = [f"lr={rate} bs={size}" for rate in RATES for size in SIZES]
BEST = NAMES[0]
#: What tries to be more than text, in HTML, in scripts, in Plotly's labels and in addresses.
EVIL = (
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "<b>bold</b><a href='javascript:window.hacked=1'>x</a>",
    "%{y}<br>&lt;i&gt;\u2028\u2029\u202e]]>--><!--",
    "__proto__",
    "${window.hacked=1}",
)


def start(journal: Path, name: str, **more: Any) -> multitrack.Run:
    return multitrack.start_run("digits", name, config={"delivery": "off", "journal": str(journal)}, **more)


def grid(journal: Path) -> Path:
    """A search's run and nine trials: the larger the rate and the smaller the batch, the better."""
    with start(journal, "grid", notes="Nine runs.\nTwo params.") as parent:
        for rate in RATES:
            for size in SIZES:
                params = {"lr": rate, "batch_size": size, "model": {"units": 64}, "optimizer": {"lr": rate}}
                with start(
                    journal, f"lr={rate} bs={size}", params=params, parent=parent, tags={"stage": "grid"}
                ) as run:
                    speed = 3000 * rate / size
                    for epoch in range(10):
                        loss = 2.3 * math.exp(-epoch * speed / 12) + 0.03 * math.sin(7 * epoch + size)
                        accuracy = 1 - 0.9 * math.exp(-(epoch + 1) * speed / 3)
                        run.log_metrics({"loss": loss, "val_accuracy": accuracy}, step=epoch)
                        run.log_lines(f"epoch {epoch}: loss {loss:.4f}")
                    run.log_metric("test_accuracy", accuracy - 0.01)
                    batches = [2.3 * math.exp(-i * speed / 6000) + 0.2 * math.sin(i * i) for i in range(6000)]
                    batches[4321] = 9.75 + size  # a peak that no thinning may lose
                    run.log_list_metric("batch_loss", batches)
                    run.log_artifact_ref("weights", "s3://bucket/model.keras", kind="model")
                    run.log_artifact_ref("data", "https://example.org/digits.csv", kind="dataset", role="input")
                    run.log_lines("a warning", stream="stderr")
    return journal


def evil(journal: Path) -> Path:
    """Runs in which every text is up to something."""
    for text in EVIL:
        with start(
            journal, text, params={text: text, "x": float("nan")}, tags={text: text}, notes=text, group=text
        ) as run:
            for step in range(3):
                run.log_metric(text, step / 3, step=step)
            run.log_metric("big", 2**70)
            run.log_metric("odd", float("inf"))
            run.log_list_metric(f"list {text}", [1, float("nan"), 3])
            run.log_lines(text, stream="stderr")
            run.log_artifact_ref("link", "https://example.org/" + text, kind=text)
            run.log_artifact_ref("script", "javascript:window.hacked=1", kind=text)
            run.log_artifact_ref("data", "data:text/html,<script>window.hacked=1</script>")
    return journal
