"""Arrays, data sets and frames as params: bounded texts; what is large is not read."""

import datetime
import enum
import functools
import operator
import re
import uuid
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

import multitrack
from multitrack.records import Params

pytestmark = pytest.mark.case(20)


def loss(y: float, predicted: float) -> float:
    return abs(y - predicted)


class Kind(enum.Enum):
    SMALL = "small"
    FUNCTION = functools.partial(loss, 1)


class Scaler:
    def __init__(self, mean: bool = True) -> None:
        self.mean = mean

    def __repr__(self) -> str:
        return f"Scaler(mean={self.mean})"

    def fit(self) -> None: ...


class Plain:
    """With the repr of ``object``: an address, which the next process has otherwise."""


HERE = __name__
WHICH: list[tuple[str, Any, Any]] = [
    ("function", loss, f"{HERE}.loss"), ("lambda", lambda x: x, f"{HERE}.<lambda>"), ("builtin", len, "builtins.len"),
    ("class", Scaler, f"{HERE}.Scaler"), ("method", Scaler().fit, f"{HERE}.Scaler.fit"), ("ufunc", np.add, "<ufunc 'add'>"),
    ("partial", functools.partial(loss, 1, predicted=2), f"functools.partial({HERE}.loss, 1, predicted=2)"),
    ("dtype", np.dtype("float32"), "float32"), ("dtype class", np.float32, "numpy.float32"),
    ("estimator", Scaler(), "Scaler(mean=True)"), ("plain", Plain(), f"<{HERE}.Plain>"),
    ("duration", datetime.timedelta(days=1, seconds=3), "1 day, 0:00:03"), ("uuid", uuid.UUID(int=7), str(uuid.UUID(int=7))),
    ("path", Path("a/b"), "a/b"), ("pure path", PurePosixPath("/a"), "/a"), ("enum", Kind.SMALL, "small"),
    ("enum of an object", Kind.FUNCTION, "<Kind.FUNCTION: functools.partial(<function loss>, 1)>"),
    ("date", datetime.date(2026, 11, 28), "2026-11-28"), ("decimal", Decimal("0.1"), 0.1), ("complex", 1 + 2j, "(1+2j)"),
    ("ellipsis", ..., "Ellipsis"), ("slice", slice(1, None), "slice(1, None, None)"),
    ("pattern", re.compile("a+"), "re.compile('a+')"), ("getter", operator.itemgetter(1), "operator.itemgetter(1)"),
    ("many", [Scaler(), loss, 1], ["Scaler(mean=True)", f"{HERE}.loss", 1]),
    ("steps", [("scale", Scaler(False))], [["scale", "Scaler(mean=False)"]]),
]  # fmt: skip


def recorded(journal: Path | None = None) -> Any:
    (run,) = multitrack.open_journal(journal).runs()
    return run


class Unreadable:
    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.error("no values")


def test_arrays_without_values(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    with multitrack.start_run(config={"delivery": "off"}) as run:
        errors = [ValueError, TypeError, NotImplementedError, RuntimeError, RecursionError]
        run.log_params({"own": [Unreadable(error) for error in errors], "inputs": model.inputs[0]})
        tf.function(lambda x: run.log_params({"symbolic": x}))(tf.constant([1.0]))
        with pytest.raises(TypeError, match="no value yet"):
            run.log_metric("m", Unreadable(ValueError))
    params = recorded().get_params()
    assert params["own"] == [f"<{HERE}.Unreadable>"] * 5
    assert params["inputs"].startswith("<KerasTensor shape=(None, 3)")
    assert params["symbolic"].startswith("<tf.Tensor 'x:0'")


def test_a_data_set_on_a_disk_is_read_only_where_it_is_small(tmp_path: Path) -> None:
    import h5py

    with multitrack.start_run(config={"delivery": "off"}) as run, h5py.File(tmp_path / "x.h5", "w") as file:
        small, large = file.create_dataset("s", data=[1, 2]), file.create_dataset("l", shape=(10**6, 10**5))  # 400 GB
        run.log_params({"small": small, "large": large})
        file.close()
        run.log_params({"closed": small})
    assert recorded().get_params() == {
        "small": [1, 2], "large": '<HDF5 dataset "l": shape (1000000, 100000), type "<f4">',
        "closed": "<Closed HDF5 dataset>",
    }  # fmt: skip


class Protocol:
    def __init__(self, size: int) -> None:
        self.size = size

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.zeros(self.size)


def test_large_arrays_are_texts() -> None:
    import pandas as pd
    import tensorflow as tf

    params = {
        "numpy": np.arange(10_001.0), "grid": np.ones((300, 200), "f4"), "tf": tf.zeros(20_000), "protocol": Protocol(10_001),
        "list": [np.zeros(20_000, int)], "texts": np.full(20_000, "ab"),
        "series": pd.Series(np.zeros(20_000)), "frame": pd.DataFrame({"a": np.zeros(20_000)}),
        "wide": pd.DataFrame(np.zeros((2, 101))),
    }  # fmt: skip
    with np.printoptions(threshold=10**9), multitrack.start_run(params=params, config={"delivery": "off"}) as run:
        run.log_params({"just": np.zeros(10_000)})
    found = recorded().get_params()
    assert len(found.pop("just")) == 10_000
    assert (
        found["numpy"]
        == "ndarray of shape (10001,), float64: [0.000e+00 1.000e+00 2.000e+00 ... 9.998e+03 9.999e+03 1.000e+04]"
    )
    assert found["grid"].startswith("ndarray of shape (300, 200), float32: [[1. 1. 1. ... 1. 1. 1.]")
    assert found["tf"] == "EagerTensor of shape (20000,), float32: [0. 0. 0. ... 0. 0. 0.]"
    assert found["protocol"] == "Protocol of shape (10001,), float64: [0. 0. 0. ... 0. 0. 0.]"
    assert found["list"] == ["ndarray of shape (20000,), int64: [0 0 0 ... 0 0 0]"]
    assert found["texts"].startswith("ndarray of shape (20000,), <U2: ['ab'") or "str64" in found["texts"]
    assert found["series"] == "Series of shape (20000,), float64: [0. 0. 0. ... 0. 0. 0.]"
    assert found["frame"].endswith("[20000 rows x 1 columns]")
    assert found["wide"].endswith("[2 rows x 101 columns]")
    assert max(len(str(text)) for text in found.values()) < 1000
    (record, _) = [record for record in recorded().records() if isinstance(record, Params)]
    assert record.objects.keys() == params.keys()
    assert record.objects["numpy"].type == "numpy.ndarray"
    assert run.mistakes == 0


def test_a_small_data_frame_keeps_the_names_of_its_columns() -> None:
    import pandas as pd
    import polars as pl

    plain = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.to_datetime(["2026-01-02", None])})
    params = {
        "plain": plain, "indexed": pd.DataFrame({"a": [0.5]}, index=pd.Index(["row"], name="which")), "list": [plain[["a"]]],
        "numbered": pd.DataFrame([[1, 2]]), "deep": pd.DataFrame({("a", "b"): [1]}), "polars": pl.DataFrame({"a": [1], "b": ["x"]}),
        "same": pd.DataFrame([[1, 2]], columns=["a", "a"]), "taken": pd.DataFrame({"i": [1]}, index=pd.Index([5], name="i")),
        "series": pd.Series([1, 2]), "texts": pd.Series(["a", "b"]), "index": pd.Index(["a"]), "empty": pd.DataFrame({"a": []}),
    }  # fmt: skip
    with multitrack.start_run(params=params, config={"delivery": "off"}):
        pass
    found = recorded().get_params()
    assert found.pop("same").startswith("   a  a\n0  1  2")
    assert found.pop("taken").endswith("[1 rows x 1 columns]")
    assert found == {
        "plain/a": [1, 2], "plain/b": ["x", "y"], "plain/c": ["2026-01-02T00:00:00", "NaT"], "indexed/which": ["row"],
        "indexed/a": [0.5], "list": [{"a": [1, 2]}], "numbered/0": [1], "numbered/1": [2], "deep/('a', 'b')": [1],
        "polars/a": [1], "polars/b": ["x"], "series": [1, 2], "texts": ["a", "b"], "index": ["a"], "empty/a": [],
    }  # fmt: skip


def test_keys_of_any_kind() -> None:
    params = {
        Scaler: 1, None: 2, ("a", 1): 3, Kind.SMALL: 4, Kind.FUNCTION: 5, loss: 6, frozenset("ba"): 7, (Scaler, None): 8,
        "list": [{None: 1, Scaler: 2}], ("one",): {"b": 9},
    }  # fmt: skip
    with multitrack.start_run(params=params, config={"delivery": "off"}) as run:
        for same in ({None: 1, "None": 2}, {"x": {("a", 1): 1, "('a', 1)": 2}}, {"x": [{None: 1, "None": 2}]}):
            with pytest.raises(ValueError, match="the same name"):
                run.log_params(same)
    assert recorded().get_params() == {
        f"{HERE}.Scaler": 1, "None": 2, "('a', 1)": 3, "small": 4, "Kind.FUNCTION": 5, f"{HERE}.loss": 6,
        "frozenset({'a', 'b'})": 7, f"({HERE}.Scaler, None)": 8, "list": [{"None": 1, f"{HERE}.Scaler": 2}],
        "('one',)/b": 9,
    }  # fmt: skip
