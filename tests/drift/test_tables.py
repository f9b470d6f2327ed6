"""Two tables brought to the same columns and types."""

import datetime
from typing import Any

import pandas as pd
import pytest

from multitrack import DriftError
from multitrack.drift.sources import Source
from multitrack.drift.tables import comparable


def table(columns: dict[str, Any], name: str = "now.csv") -> tuple[Source, Any]:
    return Source(name=name, rows=0), pd.DataFrame(columns)


def test_kinds_and_values() -> None:
    before = table({"n": [1, 2, 3], "f": [1.0, float("inf"), None], "b": [True, False, True], "t": ["x", None, "y"]})
    after = table({"t": ["z"], "b": [False], "f": [2.5], "n": [4.0]})
    both = comparable(before, after)
    assert both.kinds == {"n": "numerical", "f": "numerical", "b": "categorical", "t": "categorical"}
    assert list(both.reference["f"].dropna()) == [1.0]
    assert list(both.reference["b"]) == ["True", "False", "True"]
    assert list(both.reference["t"].dropna()) == ["x", "y"]
    assert list(both.current.columns) == list(both.reference.columns)


def test_nullable_types() -> None:
    column = pd.Series([1, None, 3], dtype="Int64")
    both = comparable(table({"n": column}), table({"n": [1, 2]}))
    assert list(both.reference["n"].dropna()) == [1.0, 3.0]


def test_skipped_columns() -> None:
    texts = [f"sentence {i}" for i in range(30)]
    when = [datetime.datetime(2026, 1, 1)] * 30
    common = {"n": range(30), "text": texts, "when": when, "nested": [[1]] * 30}
    both = comparable(table(common), table({**common, "new": range(30)}))
    assert list(both.kinds) == ["n"]
    assert both.skipped["new"] == "only in now.csv"
    assert both.skipped["text"] == "30 different texts in 30 rows"
    assert both.skipped["when"].startswith("values of type datetime64")
    assert both.skipped["nested"] == "values of type list"
    assert comparable(table(common), table(common), ["text"]).kinds == {"text": "categorical"}
    with pytest.raises(DriftError, match="column 'when' cannot be compared: it holds values of type datetime64"):
        comparable(table(common), table(common), ["n", "when"])


@pytest.mark.parametrize(
    ("before", "after", "columns", "message"),
    [
        ({"a": [1], "b": [1]}, {"a": [1]}, None, "has not all columns of the reference: b missing; --columns a compares"),
        ({"a": [1]}, {"a": [1]}, ["aa"], r"train.csv has no column aa \(did you mean|train.csv has no column aa; there are a$"),
        ({"a": [1]}, {"a": ["x"]}, None, "column 'a' is numerical in train.csv and categorical in now.csv"),
        ({"a": [1.0]}, {"a": [float("inf")]}, None, "column 'a' has no values in now.csv"),
        ({"a": [None]}, {"a": ["x"]}, None, "column 'a' has no values in train.csv"),
        ({}, {"a": [1]}, None, "have no columns to compare"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit(before: Any, after: Any, columns: list[str] | None, message: str) -> None:
    with pytest.raises(DriftError, match=message):
        comparable(table(before, "train.csv"), table(after), columns)


def test_columns_of_one_name() -> None:
    twice = Source(name="twice", rows=1), pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DriftError, match="twice has several columns of one name"):
        comparable(table({"a": [1]}), twice)
