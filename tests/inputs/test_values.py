"""From what training code holds to plain values."""

import argparse
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
from typing import Any

import msgspec
import numpy as np
import pytest

from multitrack._text import check_name
from multitrack.inputs.params import flatten_params
from multitrack.inputs.values import to_number, to_numbers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1), (1.5, 1.5), (True, 1), (np.float64(0.1), 0.1), (np.float32(0.5), 0.5), (np.float16(0.5), 0.5),
        (np.int8(-3), -3), (np.uint64(2**64 - 1), 2**64 - 1), (np.bool_(True), 1), (np.array(2.5), 2.5),
        (np.array([3]), 3), (decimal.Decimal("0.25"), 0.25), (np.longdouble(0.5), 0.5),
    ],
)  # fmt: skip
def test_scalars_of_any_kind(value: Any, expected: float) -> None:
    number = to_number(value, "x")
    assert number == expected
    assert type(number) is type(expected)


def test_tensors_of_tensorflow_and_jax_style_libraries() -> None:
    import ml_dtypes

    assert to_number(np.array(1.5, dtype=ml_dtypes.bfloat16), "x") == 1.5
    assert to_numbers(np.array([1.5, 2.0], dtype=ml_dtypes.bfloat16), "x") == [1.5, 2.0]


@pytest.mark.slow
def test_tensorflow_scalars_and_tensors() -> None:
    import tensorflow as tf

    assert to_number(tf.constant(2.5), "x") == 2.5
    assert to_number(tf.Variable(3, dtype=tf.int64), "x") == 3
    assert to_numbers(tf.constant([1.0, float("nan")]), "x") == [1.0, "NaN"]

    @tf.function
    def traced(value: Any) -> Any:
        with pytest.raises(TypeError, match="SymbolicTensor"):
            to_number(value, "x")
        return value

    traced(tf.constant(1.0))


@pytest.mark.parametrize("value", ["0.5", None, 1j, [1.0], np.array([1, 2]), {"a": 1}, b"1", object(), np.array("x")])
def test_what_is_no_number_is_a_type_error_naming_the_metric(value: Any) -> None:
    with pytest.raises(TypeError, match="'loss'"):
        to_number(value, "loss")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], [1, 2.5]), ((1,), [1]), (5, [5]), (range(3), [0, 1, 2]), (np.arange(3), [0, 1, 2]),
        (np.array([0.5, math.nan, math.inf]), [0.5, "NaN", "Infinity"]), (np.array([True, False]), [1, 0]),
        (iter([1.0]), [1.0]), ([], []), (np.array(7.5), [7.5]), ([-math.inf, 2**60], ["-Infinity", str(2**60)]),
        (np.array([2**60]), [str(2**60)]), (np.array([1e308, 1e308]), [1e308, 1e308]),
        ([np.float32(0.5), True], [0.5, 1]), (np.array([1, 2.5], dtype=object), [1, 2.5]),
    ],
)  # fmt: skip
def test_lists_of_any_kind(values: Any, expected: list[Any]) -> None:
    found = to_numbers(values, "x")
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize("values", ["123", [1, "2"], [None], np.ones((2, 2)), {"a": 1}, None])
def test_what_is_no_list_of_numbers(values: Any) -> None:
    with pytest.raises(TypeError, match="'x'"):
        to_numbers(values, "x")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Data:
    lr: float
    inner: dict[str, Any]


class Struct(msgspec.Struct):
    units: int = 64


def test_nested_params_flatten_and_keep_their_types() -> None:
    found = flatten_params(
        {"a": {"b": {"c": 1}}, "f": 0.5, "t": True, "n": None, "s": "x", "l": [1, 2.5], "e": Colour.RED, 3: "key",
         "p": pathlib.PurePosixPath("/x"), "np": np.int64(4), "nb": np.bool_(True), "arr": np.array([1, 2]), "empty": {},
         "when": datetime.date(2026, 1, 2), "nan": math.nan, "big": 2**60, "fn": math.sqrt, "struct": Struct()}
    )  # fmt: skip
    values, types = found.values, found.types
    assert values["a/b/c"] == 1
    assert values["struct/units"] == 64
    expected = {"f": (0.5, "float"), "t": (True, "bool"), "n": (None, "none"), "s": ("x", "str"), "l": ([1, 2.5], "list"),
                "e": ("red", "str"), "3": ("key", "str"), "p": ("/x", "str"), "np": (4, "int"), "nb": (True, "bool"),
                "arr": ([1, 2], "list"), "empty": ({}, "list"), "when": ("2026-01-02", "str"), "nan": ("NaN", "float"),
                "big": (str(2**60), "int"), "fn": ("math.sqrt", "str")}  # fmt: skip
    assert {key: (values[key], types[key]) for key in expected} == expected


def test_params_from_structured_objects() -> None:
    assert flatten_params(Data(0.1, {"x": 1})).values == {"lr": 0.1, "inner/x": 1}
    assert flatten_params(argparse.Namespace(lr=0.1, layers=[1])).values == {"lr": 0.1, "layers": [1]}
    assert flatten_params(Struct(3)).values == {"units": 3}


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        (3, TypeError, "a mapping, a dataclass"),
        ({"a/b": 1, "a": {"b": 2}}, ValueError, "flatten to the same name"), ({"": 1}, ValueError, "must not be empty"),
        ({"a\0b": 1}, ValueError, "NUL"), ({(1, 2): 3, "(1, 2)": 4}, ValueError, "flatten to the same name"),
    ],
)  # fmt: skip
def test_params_that_cannot_be(params: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        flatten_params(params)


@pytest.mark.parametrize("name", ["a/b", "../..", "🚀", "with space", "läss", "x" * 2000, "\x1b[31m"])
def test_names_may_hold_anything_but_nul(name: str) -> None:
    assert check_name(name, "run") == name


@pytest.mark.parametrize(("name", "error"), [("", ValueError), (" ", ValueError), ("a\0", ValueError), (3, TypeError),
                                             ("x" * 2001, ValueError), ("\udc80", ValueError)])  # fmt: skip
def test_names_that_cannot_be(name: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="a run name"):
        check_name(name, "run")


def test_long_doubles_and_masked_arrays_of_a_list_metric() -> None:
    assert to_numbers(np.array([0.5, np.nan], np.longdouble), "x") == [0.5, "NaN"]
    assert to_numbers(np.ma.array([1, 2, 3], mask=[0, 1, 0]), "x") == [1.0, "NaN", 3.0]
