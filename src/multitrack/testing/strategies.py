"""Hypothesis strategies for any calls of training code: valid and invalid ones, any names, any values.

Importing this module needs Hypothesis and numpy (``pip install 'multitrack[testing]'``).
"""

from __future__ import annotations

import contextlib
import decimal
import fractions
import math
import re
import reprlib
import sys
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from multitrack.errors import MultitrackError
from multitrack.recording.recorder import Recorder
from multitrack.records import number_to_json
from multitrack.testing.model import Model


class Call(NamedTuple):
    """One call.

    Attributes:
        method: The name of the run's method.
        given: The arguments as in training code: numpy scalars, nested mappings, tuples.
        plain: The arguments as plain values, for the model's method (``log_metric`` becomes ``log_metrics``).
        wrong: The exception it always raises, if it is invalid.
        later: Milliseconds since the previous call.
    """

    method: str
    given: tuple[Any, ...]
    plain: tuple[Any, ...] = ()
    wrong: type[Exception] | None = None
    later: int = 0

    def __repr__(self) -> str:
        return f"{self.method}({', '.join(map(_brief.repr, self.given))})" + f" after {self.later} ms" * bool(
            self.later
        )


_brief: Final = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 60
_brief.maxlist = _brief.maxtuple = _brief.maxdict = 12


class Clock:
    """Replaces the module ``time``, so that tests control the clock.

    Attributes:
        ms: The current time in milliseconds since the epoch.
    """

    monotonic_ns = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self.ms = time.time_ns() // 1_000_000

    def time_ns(self) -> int:
        """Return the time in nanoseconds."""
        return self.ms * 1_000_000


def make(call: Call, run: Recorder, model: Model, clock: Clock) -> bool:
    """Make a call on the run and on the model, which must raise alike. Return True if neither raises."""
    clock.ms += call.later
    wrong = call.wrong
    if wrong is None:
        try:
            method = "log_metrics" if call.method == "log_metric" else call.method
            getattr(model, method)(*call.plain, time=clock.ms)
        except MultitrackError as error:
            wrong = type(error)
    with contextlib.nullcontext() if wrong is None else pytest.raises(wrong):
        getattr(run, call.method)(*call.given)
    return wrong is None


#: Names that may collide, and names that trackers change: no two of them may become equal.
_HARD_NAMES: Final = (
    "loss", "val/loss", "val", "loss/summary", "step", "multitrack/step", "exact loss", "metric exact loss", "_step",
    "_wandb", "@", "_x40_", "a//b", "a/_x_/b", "/", "..", "a/../b", "_x2e__x2e_", "~", "~0", "a~1b", "a/", "a/~1",
    "-", "-x", "x-", "x-_", "a.b", "a\\.b", "*",
    "x" * 240 + "@", "x" * 240 + "!", "x" * 300, "x" * 299 + "y", "é" * 2000, "\x1b[31m", "🚀",
    "two\r\nlines", "\u202e", "loss ",
)  # fmt: skip
_WRONG_NAMES: Final = (
    ("", ValueError), ("  ", ValueError), ("a\0b", ValueError), ("\ud800", ValueError), ("x" * 2001, ValueError),
    (None, TypeError), (3, TypeError), (b"loss", TypeError),
)  # fmt: skip

_characters: Final = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
names: Final = (
    st.sampled_from(["loss", "acc", "lr"])
    | st.sampled_from(_HARD_NAMES)
    | st.text(_characters, min_size=1, max_size=20).filter(lambda name: not name.isspace())
)
steps: Final = st.integers(-3, 3) | st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, 1 - 2**63])
_floats: Final = st.floats() | st.sampled_from([0.5, -0.0, 5e-324, 1.7976931348623157e308])
_integers: Final = st.one_of(
    st.integers(-3, 3), st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**64, 10**400]), st.integers()
)


def numbers() -> st.SearchStrategy[tuple[Any, int | float]]:
    """Return a strategy for pairs of a number as given and its plain value."""
    return st.one_of(
        (_floats | _integers).map(lambda value: (value, value)),
        _floats.map(lambda value: (np.float64(value), value)),
        _floats.map(lambda value: (np.array([value]), value)),
        st.floats(width=16).map(lambda value: (np.float16(value), value)),
        st.floats(width=32).map(lambda value: (np.float32(value), value)),
        st.integers(0, 2**64 - 1).map(lambda value: (np.uint64(value), value)),
        st.booleans().map(lambda value: (np.bool_(value), int(value))),
        st.booleans().map(lambda value: (value, int(value))),
        st.integers(-(2**70), 2**70).map(lambda value: (fractions.Fraction(value, 4), value / 4)),
        st.floats(allow_nan=False).map(lambda value: (decimal.Decimal(value), value)),
    )


def number_lists() -> st.SearchStrategy[tuple[Any, list[int | float]]]:
    """Return a strategy for pairs of the numbers of a list metric as given and their plain values."""
    floats = [(st.floats(width=size), f"float{size}") for size in (16, 32, 64)]
    integers = [(st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1), f"int{size}") for size in (8, 64)]
    unsigned = [(st.integers(0, 2**size - 1), f"uint{size}") for size in (8, 64)]
    return st.one_of(
        st.lists(numbers(), max_size=8).map(lambda items: ([given for given, _ in items], [v for _, v in items])),
        st.lists(st.floats(), max_size=4).map(lambda items: (tuple(items), items)),
        st.integers(0, 40).map(lambda count: (range(count), list(range(count)))),
        numbers().map(lambda item: (item[0], [item[1]])),
        *(_arrays(items, dtype) for items, dtype in (*floats, *integers, *unsigned)),
        st.lists(st.booleans(), max_size=8).map(lambda items: (np.array(items, bool), [int(item) for item in items])),
    )


def _arrays(items: st.SearchStrategy[Any], dtype: str) -> st.SearchStrategy[tuple[Any, list[int | float]]]:
    return st.lists(items, max_size=8).map(lambda values: (np.array(values, dtype), values))


_texts: Final = st.text(st.characters(exclude_characters="\n"), max_size=20) | st.sampled_from(
    ["\ud800", "a\x00b", "x" * 3000, "x" * 20_000, "\u2028", "\r", "\x1b[0m", " "]
)


def cleaned(text: str) -> str:
    """Replace lone surrogates in a text by visible escapes."""
    bytes_shown = re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)  # PEP 383
    return bytes_shown.encode("utf-8", "backslashreplace").decode()


def _param_values() -> st.SearchStrategy[tuple[Any, Any]]:
    same = st.none() | st.booleans() | _floats | _integers | st.sampled_from([1, 1.0, 0.0, -0.0, True, "1"])
    scalars = same.map(lambda value: (value, value)) | _texts.map(lambda text: (text, cleaned(text)))
    # In a list JSON decides: NaN and large integers become text.
    items = scalars.map(lambda item: (item[0], _in_json(item[1])))
    lists = st.lists(items, max_size=3).map(lambda found: (tuple(given for given, _ in found), [v for _, v in found]))
    return scalars | lists | st.just(({}, {}))


def _in_json(value: Any) -> Any:
    return number_to_json(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _params() -> st.SearchStrategy[Call]:
    def of(values: dict[str, tuple[Any, Any]]) -> Call:
        given = {key: value for key, (value, _) in values.items()}
        plain = {key: value for key, (_, value) in values.items()}
        return Call("log_params", (given,), (plain,))

    nested = _param_values().map(
        lambda item: Call("log_params", ({"model": {"units": item[0]}},), ({"model/units": item[1]},))
    )
    return st.dictionaries(names, _param_values(), max_size=3).map(of) | nested


def _metrics() -> st.SearchStrategy[Call]:
    def of(values: dict[str, tuple[Any, float]], step: int | None, form: Callable[[int], Any]) -> Call:
        plain = {name: value for name, (_, value) in values.items()}
        given = {name: value for name, (value, _) in values.items()}
        given_step = step if step is None or abs(step) > 2**52 else form(step)
        if len(values) == 1:
            return Call("log_metric", (*next(iter(given.items())), given_step), (plain, step))
        return Call("log_metrics", (given, given_step), (plain, step))

    few = st.dictionaries(names, numbers(), min_size=1, max_size=1) | st.dictionaries(names, numbers(), max_size=3)
    # Few values at few steps, so that points repeat, some only when rounded to doubles.
    repeated = [0.5, 0.0, -0.0, 2**53, 2**53 + 1, math.nan, math.inf, sys.float_info.max, 10**400]
    same = st.fixed_dictionaries({"loss": st.sampled_from([(value, value) for value in repeated])})
    return st.one_of(
        st.builds(of, few | same, st.none() | steps, st.sampled_from([int, float, np.int64])),
        st.builds(of, same, st.integers(0, 1), st.just(int)),
    )


def _references() -> st.SearchStrategy[Call]:
    paths = st.text(st.characters(exclude_characters="\0@?#"), max_size=10)
    return st.builds(
        lambda name, path, kind, role: Call(
            "log_artifact_ref", (name, f"s3://bucket/{path}", kind, role), (name, cleaned(f"s3://bucket/{path}"))
        ),
        names, paths, st.sampled_from(["file", "model", "job", "a/b"]), st.sampled_from(["input", "output"]),
    )  # fmt: skip


def _lines() -> st.SearchStrategy[Call]:
    plain = st.lists(_texts, max_size=4).map(lambda lines: [cleaned(line).removesuffix("\r") for line in lines])
    return st.builds(
        lambda lines, joined, stream: Call(
            "log_lines", ("".join(f"{line}\n" for line in lines) if joined and lines else lines, stream), (lines,)
        ),
        plain, st.booleans(), st.sampled_from(["log", "stdout", "stderr"]),
    )  # fmt: skip


def _tags() -> st.SearchStrategy[Call]:
    values = _texts | st.booleans() | st.integers(-9, 9) | st.floats()
    return st.dictionaries(names, values, max_size=3).map(
        lambda tags: Call("set_tags", (tags,), ({key: cleaned(str(value)) for key, value in tags.items()},))
    )


def _mistakes() -> st.SearchStrategy[Call]:
    """Return a strategy for calls that always raise; the valid parts of their arguments must not be recorded."""
    fixed = [
        ("log_metric", ("loss", "0.5"), TypeError), ("log_metric", ("loss", None), TypeError),
        ("log_metric", ("loss", [1.0, 2.0]), TypeError), ("log_metric", ("loss", 1j), TypeError),
        ("log_metric", ("loss", 1.0, 0.5), TypeError), ("log_metric", ("loss", 1.0, True), TypeError),
        ("log_metric", ("loss", 1.0, "3"), TypeError), ("log_metric", ("loss", 1.0, 2**63), ValueError),
        ("log_metrics", ({"fine": 1.0, "wrong": "x"}, 0), TypeError), ("log_metrics", ([1.0], 0), TypeError),
        ("log_list_metric", ("curve", "abc"), TypeError), ("log_list_metric", ("curve", [1.0, None]), TypeError),
        ("log_list_metric", ("curve", [[1.0], [2.0, 3.0]]), TypeError),
        ("log_params", ({"fine": 1, "": 2},), ValueError),
        ("log_params", ({"fine": 1, None: 2, "None": 3},), ValueError),
        ("log_params", ({"a/b": 1, "a": {"b": 2}},), ValueError), ("log_params", (3,), TypeError),
        ("log_artifact_ref", ("data", ""), ValueError), ("log_artifact_ref", ("data", 3), TypeError),
        ("log_artifact_ref", ("data", "s3://b/c", "file", "both"), ValueError),
        ("log_artifact_ref", ("data", "no/such/file"), FileNotFoundError),
        ("log_lines", (3,), TypeError), ("log_lines", (["fine", 3],), TypeError), ("log_lines", (b"bytes",), TypeError),
        ("set_tags", ({"fine": "x", "wrong": None},), TypeError), ("set_tags", (3,), TypeError),
    ]  # fmt: skip
    named = [
        (method, arguments(name), error)
        for name, error in _WRONG_NAMES
        for method, arguments in (
            ("log_metric", lambda name: (name, 1.0, 0)),
            ("log_list_metric", lambda name: (name, [1.0])),
            ("log_artifact_ref", lambda name: (name, "s3://b/c")),
            ("set_tags", lambda name: ({name: "x"},)),
        )
    ]
    return st.sampled_from([*fixed, *named]).map(lambda call: Call(call[0], call[1], wrong=call[2]))


def calls() -> st.SearchStrategy[Call]:
    """Return a strategy for any call."""
    lists = st.builds(
        lambda name, values: Call("log_list_metric", (name, values[0]), (name, values[1])), names, number_lists()
    )
    kinds = [_metrics(), _metrics(), lists, lists, _params(), _references(), _lines(), _tags(), _mistakes()]
    made = st.sampled_from(kinds).flatmap(lambda kind: kind)  # with equal weight; one_of would weight by their parts
    return st.tuples(made, st.sampled_from([0, 0, 0, 1, 1000])).map(lambda drawn: drawn[0]._replace(later=drawn[1]))
