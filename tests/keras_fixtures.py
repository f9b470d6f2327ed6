"""Small models on random data, on the CPU; a journal of its own for each test, delivered nowhere.

The tests run on the Keras backend that ``KERAS_BACKEND`` names; ``@pytest.mark.backends`` says which of them are
particular to some.
"""

import gc
import os
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# TensorFlow's threads for the parts of one operation have nothing to do in models as small as these.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.reading.recorded_run import RecordedRun

BACKEND = keras.config.backend()
BACKENDS = {"jax", "tensorflow", "torch"}
KERAS = tuple(int(part) for part in keras.version().split(".")[:2])
#: ``test_ranks_torch.py`` and the like are of one backend, and run in the environment that has it.
collect_ignore_glob = [f"*_{other}.py" for other in BACKENDS if other != BACKEND]
if BACKEND != "tensorflow":  # what is delivered is the same on all; one environment has the trackers' SDKs
    collect_ignore_glob += ["test_distributed.py", "test_figure_delivery.py"]

#: Before Keras 3.11, TensorFlow has no logs of an execution of several steps in which the data end, and counts it whole.
REPORTS_CUT_EXECUTIONS = BACKEND != "tensorflow" or KERAS >= (3, 11)
#: What models are compiled with, beside what a test says.
HOW: dict[str, Any] = {}

Data = tuple[np.ndarray, np.ndarray]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marks = {item: item.get_closest_marker("backends") for item in items}
    wrong = {name for mark in marks.values() if mark is not None for name in mark.args} - BACKENDS
    assert not wrong, f"tests of {wrong} would run nowhere"
    others = [item for item, mark in marks.items() if mark is not None and BACKEND not in mark.args]
    versions = {item: item.get_closest_marker("keras_from") for item in items}
    if not REPORTS_CUT_EXECUTIONS:
        others += [item for item in items if item.get_closest_marker("cut_execution") and item not in others]
    others += [item for item, mark in versions.items() if mark is not None and mark.args > KERAS and item not in others]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session", autouse=True)
def frozen() -> None:
    """KerasTuner collects garbage twice a trial; what the imports left would take most of these tests' time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a config, the current one."""
    (tmp_path / "multitrack.toml").write_text('project = "digits"\ndelivery = "off"\n')
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(7)
    return tmp_path


@pytest.fixture
def data() -> Data:
    """50 rows: 5 batches of 10."""
    random = np.random.default_rng(0)
    return random.normal(size=(50, 4)).astype("float32"), random.integers(0, 2, size=(50, 1)).astype("float32")


@pytest.fixture
def model() -> Any:
    """A compiled model of one layer."""
    return make_model()


def make_model(**compile_args: Any) -> Any:
    """A model of one layer, compiled with SGD unless told otherwise."""
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    net.compile(
        **{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", "metrics": ["accuracy"], **HOW, **compile_args}
    )
    return net


@pytest.fixture
def eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models run as they are: for tests of many models, whose compilation would take most of their time."""
    monkeypatch.setitem(HOW, "run_eagerly", True)


@pytest.fixture
def compiled() -> Callable[..., Any]:
    """``make_model``, for tests that choose how to compile."""
    return make_model


@pytest.fixture
def of_unknown_length() -> Callable[[Data], Any]:
    """Batches of 10 whose number Keras cannot know, as often as it asks."""

    def make(data: Data) -> Any:
        if BACKEND == "torch":
            import torch

            class Endless(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
                def __iter__(self) -> Any:
                    return ((data[0][i : i + 10], data[1][i : i + 10]) for i in range(0, len(data[0]), 10))

            return torch.utils.data.DataLoader(Endless(), batch_size=None)
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(data).batch(10).filter(lambda *_: True)

    return make


@pytest.fixture
def recorded(project: Path) -> Callable[..., RecordedRun]:
    """Read a run back out of the journal, by run, id or name."""

    def read(run: Any) -> RecordedRun:
        return multitrack.open_journal(project / ".multitrack").run(getattr(run, "id", run))

    return read


@pytest.fixture
def journal(project: Path) -> Callable[[], dict[str, Any]]:
    """All runs, by name."""

    def read() -> dict[str, Any]:
        runs = list(multitrack.open_journal(project / ".multitrack").runs())
        named = {run.manifest.name: run for run in runs}
        assert len(named) == len(runs)
        return named

    return read


class Clock:
    """Seconds that pass where a test says so, on each thread by itself; far from zero, as a machine's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here = threading.local()
        monkeypatch.setattr(time, "perf_counter", self.now)

    def now(self) -> float:
        return getattr(self.here, "now", 1e9)

    def go_on(self, seconds: float) -> None:
        self.here.now = self.now() + seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
