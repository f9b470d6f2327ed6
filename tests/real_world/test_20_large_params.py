"""Arrays, data sets and frames as params: bounded texts; what is large is not read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import multitrack
from multitrack.records import Params

pytestmark = pytest.mark.case(20)

HERE = __name__


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
