"""What a callback adds to ``model.fit``: ours, W&B's and MLflow's, per epoch and per batch, by turns with none.

Each process trains one compiled model again and again, without a callback and with one, by turns. What is compared is
the time from where a fit's first epoch has begun to the end of its last: tracing, compiling, the import of
SDKs, opening and ending a run and what a callback does as a fit begins are outside; the last is a column of its own.
The share of that time that a callback's hooks take is measured as well: it sees what is far below the noise of a pair,
but not what a hook makes dearer outside of itself, as on JAX a look at the model does. Hooks that Keras calls on other
threads stand apart.

PyTorch is in an environment without TensorFlow, which W&B's callback imports, so that is not compared there.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bench
from bench import Case, Figures, Group, Results
from faulty import faulty_mlflow
from fits import Fits, Make

Opened = tuple[dict[str, Make], Callable[[], object]]
"""Callbacks by what their figures are called, and what lets everything beside the training come to rest."""

TURNS = 6
KERAS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
ON_TORCH = ("one that does nothing", "multitrack", "MLflow's")


@contextlib.contextmanager
def ours(
    backends: list[str], options: dict[str, Any], before_end: Callable[[], None] = lambda: None
) -> Iterator[Opened]:
    import multitrack
    from multitrack.keras import TrackingCallback

    run = multitrack.start_run("bench", config=options, backends=backends)
    run.wait_open()
    try:
        yield (
            {"epoch": lambda: TrackingCallback(run), "batch": lambda: TrackingCallback(run, 1, async_batches=True)},
            run.flush,
        )
    finally:
        before_end()
        run.end()


def one() -> contextlib.AbstractContextManager[Opened]:
    return ours(["mlflow"], {"mlflow": {"tracking_uri": "sqlite:///mlflow.db"}})


def three() -> contextlib.AbstractContextManager[Opened]:
    return ours(
        ["mlflow", "wandb", "neptune"],
        {"mlflow": {"tracking_uri": "sqlite:///mlflow.db"}, "wandb": {"mode": "offline"}},
    )


@contextlib.contextmanager
def faulty(fault: str) -> Iterator[Opened]:
    """Ours into an MLflow server that turns hung or slow once the run is open there."""
    with faulty_mlflow() as (address, switch):
        config = {"mlflow": {"tracking_uri": address}}
        with ours(["mlflow"], config, before_end=lambda: switch("healthy")) as (makes, _):
            switch(fault)
            yield makes, lambda: None


@contextlib.contextmanager
def wandb() -> Iterator[Opened]:
    sdk: Any = importlib.import_module("wandb")
    logger = importlib.import_module("wandb.integration.keras").WandbMetricsLogger
    run = sdk.init(project="bench", mode="offline")
    yield {"epoch": logger, "batch": lambda: logger(log_freq="batch")}, lambda: None
    run.finish()


@contextlib.contextmanager
def mlflow() -> Iterator[Opened]:
    sdk: Any = importlib.import_module("mlflow")
    callback = importlib.import_module("mlflow.keras").MlflowCallback
    sdk.set_tracking_uri("sqlite:///mlflow.db")
    with sdk.start_run():
        batch = lambda: callback(log_every_epoch=False, log_every_n_steps=1)  # noqa: E731
        yield {"epoch": callback, "batch": batch}, sdk.flush_async_logging


@contextlib.contextmanager
def nothing() -> Iterator[Opened]:
    """The limit: what Keras itself takes for having a batch hook to call."""
    keras: Any = importlib.import_module("keras")

    class Nothing(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    yield {"batch": Nothing}, lambda: None


TRACKERS: dict[str, Callable[[], contextlib.AbstractContextManager[Opened]]] = {
    "one that does nothing": nothing,
    "multitrack": one,
    "multitrack, three backends": three,
    "multitrack, tracker hung": lambda: faulty("hung"),
    "multitrack, tracker slow": lambda: faulty("slow"),
    "W&B's": wandb,
    "MLflow's": mlflow,
}


def measured(kind: str, tracker: str, *, settled: bool) -> Callable[[float], Figures]:
    """A case: everything beside the training comes to rest before each fit without a callback, or it goes on."""

    def run(scale: float) -> Figures:
        fits = Fits(kind, scale)
        turns = max(1, int(TURNS * scale))
        with TRACKERS[tracker]() as (makes, settle):
            if settled:
                # Long enough for what is beside to work at the same time.
                epochs = max(1, int(8 * scale))
                return fits.turns({"batch": makes["batch"]}, turns // 2 or 1, epochs, settle)
            return fits.turns(makes, turns)

    return run


def case(keras: str, kind: str, tracker: str, *, one_core: bool = False) -> Case:
    return Case(
        f"{tracker}, {kind}, {KERAS[keras]}{', one core' if one_core else ''}",
        measured(kind, tracker, settled=one_core),
        environment={"KERAS_BACKEND": keras, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        prefix=("taskset", "-c", str(min(os.sched_getaffinity(0)))) if one_core else (),
        python=bench.TORCH if keras == "torch" else Path(sys.executable),
        package="mlflow" if keras == "torch" and tracker != "one that does nothing" else None,
    )


ROWS = [
    (keras, kind, tracker)
    for keras in KERAS
    for kind in ("small", "middling")
    for tracker in TRACKERS
    if kind == "small" or tracker in ("multitrack", "W&B's", "MLflow's")
    if keras != "torch" or tracker in ON_TORCH
]
ONE_CORE = [
    (keras, "small", tracker)
    for keras in KERAS
    for tracker in ("multitrack", "W&B's", "MLflow's")
    if keras != "torch" or tracker in ON_TORCH
]
CASES = [*(case(*row) for row in ROWS), *(case(*row, one_core=True) for row in ONE_CORE)]


def page(results: Results) -> str:
    def added(name: str, figure: str) -> str:
        least, *_, most = sorted([value - 1 for value in results.values(name, figure)] * 2)
        return f"{results.median(name, figure) - 1:+.1%} ({least:+.1%} to {most:+.1%})"

    def table(rows: list[tuple[str, str, str]], figure: str, title: str, *, one_core: bool = False) -> list[str]:
        names = [(row, case(*row, one_core=one_core).name) for row in rows]
        head = ["model, ms a batch", "callback", "by the clock", "CPU of the process", "in its hooks"]
        head += ["in its hooks on other threads", "as a fit begins", "noise of a pair"]
        lines = [f"| {title} | {' | '.join(head)} |", f"|---|{'---|' * len(head)}"]
        for (keras, kind, tracker), name in names:
            if name in results and figure in results.rounds[name][0]:
                beside = results.median(name, f"{figure} beside")
                lines.append(
                    f"| {KERAS[keras]} | {kind}, {results.median(name, 'bare') * 1e3:.1f} | {tracker} | {added(name, figure)} | "
                    f"{added(name, f'{figure} CPU')} | {results.median(name, f'{figure} hooks'):.2%} | "
                    f"{f'{beside:.2%}' if beside else '–'} | "
                    f"{results.median(name, f'{figure} begin') * 1e3:.1f} ms | {results.median(name, 'noise'):.1%} |"
                )
        return [*lines, ""]

    return "\n".join(
        table(ROWS, "epoch", "added **per epoch** (limit 1 %)")
        + table(ROWS, "batch", "added **per batch** (limit 2 %)")
        + table(ONE_CORE, "batch", "added per batch on **one core**", one_core=True)
    )


SHORT = [
    case("tensorflow", "small", "multitrack, tracker slow"),
    case("tensorflow", "small", "W&B's", one_core=True),
    case("jax", "small", "MLflow's"),
    case("torch", "small", "one that does nothing"),
    case("torch", "small", "multitrack"),
]
GROUP = Group("training", CASES, page, rounds=2, short=SHORT)
