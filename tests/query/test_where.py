"""Filters of runs: what they take, and errors that point at the place."""

import datetime
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multitrack import QueryError
from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column, better, parse_column
from multitrack.query.filters import parse_time, parse_where

RUN: dict[str, Any] = {
    "params.lr": 0.01, "params.layers": [1, 2], "params.flag": True, "params.none": "None", "params.nothing": None, "inputs.nothing": Value("none", None, "code"), "params.model/units": 64,
    'params."a, b: (c)"': 3, "params.version": "1.10", "metrics.accuracy": 0.93, "metrics.loss:min": 0.2,
    "metrics.nan": float("nan"), "lists.l:count": 10, "tags.stage": "prod", "tags.build": "17", "status": "finished",
    "name": "Bright Owl", "started": 1_795_264_425_842, "took": 890.0, "inputs.lr": Value("float", 0.01, "code"),
}  # fmt: skip


def lookup(column: Column) -> Any:
    return RUN.get(str(column), ABSENT)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("params.lr < 0.1", True),
        ("params.lr<0.1", True),
        ("params.lr <= 1e-2 and params.lr >= .01 and params.lr == 0.01", True),
        ("params.lr > 0.1", False),
        ("params.lr != 0.1", True),
        ("params.model/units = 64", True),
        ('params."a, b: (c)" = 3', True),
        ("params.flag = true and not params.flag = false", True),
        ("params.flag = 1", False),
        ("params.layers = '[1, 2]'", True),
        ("params.layers < 3", False),
        ("params.version = 1.10 and params.version = '1.10'", True),
        ("params.version = '1.1'", False),
        ("metrics.accuracy > 0.9 or params.lr > 1", True),
        ("params.lr > 1 or metrics.accuracy > 0.9 and status = failed", False),
        ("(params.lr > 1 or metrics.accuracy > 0.9) and status = finished", True),
        ("metrics.loss:min < 0.3 and lists.l:count = 10", True),
        ("metrics.nan > 0 or metrics.nan <= 0", False),
        ("metrics.nan = nan and metrics.nan in (1, NaN) and not metrics.nan != nan", True),
        ("metrics.nan = 0 or params.lr = nan", False),
        ("metrics.nan != 0 and params.lr != nan", True),
        ('tags.stage = "prod"', True),
        ("tags.stage in (test, prod)", True),
        ("tags.stage in (test)", False),
        ("tags.build >= 9", True),
        ("tags.build in (16, 17)", True),
        ("tags.stage > 3", False),
        ("tags.missing != 3", False),
        ("not tags.missing = 3", True),
        ("tags.missing", False),
        ("tags.missing = none or tags.missing != none or params.nothing.x = none", False),
        ("tags.stage != none and not tags.missing", True),
        ("tags.stage = none", False),
        ("params.nothing", True),
        ("params.nothing = none and inputs.nothing = none and params.nothing in (1, none)", True),
        ("params.nothing != none or params.nothing = 0 or params.nothing != 0 or params.nothing ~ n", False),
        ("parent = none and not parent and name != none", True),
        ("parent != none or parent != x or name = none", False),
        ("NOT tags.missing AND tags.stage", True),
        ("name ~ owl and name ~ 'BRIGHT'", True),
        ("name ~ fox or tags.missing ~ x", False),
        ("params.lr ~ 0.01", True),
        ("inputs.lr = 0.01 and inputs.lr ~ 0.01", True),
        ("started > 2026-11-21T00:00:00Z", True),
        ("started < 2026-11-21T12:33:45.842+00:00", False),
        ("started < 1min", True),
        ("took > 14min and took < 0.25h and took > 889.5s and took < 15min and took >= 890", True),
        ("took in (890s, '1w') and took != 2h", True),
        ("took > 15min", False),
        ("metrics.accuracy > '0.9' and lists.l:count in ('10') and took > '889.5' and params.lr = '1e-2'", True),
        (
            "params.version != '1.1' and params.version > '1.0' and params.lr != ' .02 ' and not params.lr != '+.01'",
            True,
        ),
        ("params.lr < abc", False),
        ("name = and", False),
    ],
)
def test_what_a_filter_takes(text: str, taken: bool) -> None:
    assert parse_where(text)(lookup) is taken


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", 0, "expected a column"),
        ("params.lr <", 11, "expected a value"),
        ("name = x or status = finshed", 21, "there is no status 'finshed'; there are running, finished"),
        ("status in (failed, 'done')", 19, "there is no status 'done'"),
        ("params.lr < 3 4", 14, "expected `and`, `or` or the end"),
        ("(params.lr < 3", 14, "expected )"),
        ("params.lr < 3)", 13, "expected `and`"),
        ("params.lr in 3", 13, "expected ( and values"),
        ("params.lr in (3; 4)", 17, "expected , or )"),
        ("params.lr in (3, )", 17, "expected a value"),
        ("params.lr < none", 12, "with = and !="),
        ("name ~ (", 7, "expected a text"),
        ("name = 'x", 7, "a quote without an end"),
        ("name = x and 'y' = 3", 13, "expected a column"),
        ("name ! x", 5, "not part of a filter"),
        ("lr < 3", 0, "there is no column 'lr'"),
        ("statsu = finished", 0, "did you mean 'status'?"),
        ("param.lr < 3", 0, "did you mean 'params'?"),
        ("name = x and metrics.l:mn > 3", 13, "did you mean 'min'?"),
        ("metrics.a:b > 3", 0, 'metrics."a:b"'),
        ("params.lr:min > 3", 0, "only metrics and lists can be reduced"),
        ("started > yesterday", 10, "is not a time"),
        ("started > 2026-13-01", 10, "is not a time"),
        ("name = x and took > 1m", 20, "'1m' is not a duration, such as 90s, 15min or 2h; a number is seconds\n"),
        ("took in (3, '2 h')", 12, "is not a duration"),
        ("metrics.accuracy > abc", 19, "'abc' is not a number\n"),
        ("lists.l:max > 1_000", 14, "'1_000' is not a number\n"),
        ("records in (3, x)", 15, "'x' is not a number\n"),
        ("metrics.accuracy = 'abc'", 19, "'abc' is not a number\n"),
        ("lists.l:max in (1, '')", 19, "'' is not a number\n"),
        ("params.lr < 1e4300", 12, "numbers beyond 1.8e308 are integers of 4,300 digits at most\n"),
        ("metrics.accuracy < '-1e999999999999'", 19, "integers of 4,300 digits at most\n"),
        ("name = name", 7, "name is a column, and two columns cannot be compared; a text is quoted"),
        ("lines > abc", 8, "is not a number"),
        (
            "metrics.loss:min < metrics.test",
            19,
            "metrics.test is a column, and two columns cannot be compared; a text is",
        ),
        ("records = lines", 10, "lines is a column, and two columns cannot be compared; a text is quoted"),
        ("name = 'a\nb' c", 13, "expected `and`"),
        ("not " * 60 + "name", 4 * 50, "nested brackets"),
        ("(" * 10_000, 50, "nested brackets"),
    ],
)
def test_errors_point_at_the_place(text: str, place: int, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_where(text)
    said, shown, arrow = str(caught.value).rsplit("\n", 2)
    assert reason in f"{said}\n"
    if len(text) > 120:  # what is around the place
        assert len(shown) <= 124
        assert shown[2:].strip("…") in text
        assert (arrow.strip(), shown[len(arrow) - 1 :][:4]) == ("^", text[place : place + 4])
    else:
        assert shown == f"  {text}".replace("\n", " ")
        assert arrow == f"  {' ' * place}^"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="params.lr<>=!~()\"'\\,: andotin0123 \n\x00é", max_size=60))
def test_any_text_is_a_filter_or_an_error_of_ours(text: str) -> None:
    try:
        taken = parse_where(text)(lookup)
    except QueryError:
        return
    assert isinstance(taken, bool)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["params", "tags", "metrics", "lists", "inputs", "outputs"]),
    st.text(min_size=1, max_size=30),
    st.sampled_from([None, "min", "median"]),
)
def test_every_name_can_be_written_as_a_column(group: str, name: str, reduction: str | None) -> None:
    column = Column.of(group, name, reduction if group in ("metrics", "lists") else None)
    assert parse_column(str(column)) == column
    seen = []
    parse_where(f"{column} = 3 or {column}")(lambda found: seen.append(found))
    assert seen == [column, column]


def test_times_are_local_or_ago() -> None:
    local = datetime.datetime(2026, 11, 21, 9, 30)
    assert parse_time("2026-11-21T09:30") == parse_time("2026-11-21 09:30") == local.timestamp() * 1000
    assert parse_time("2026-11-21T09:30+02:00") == 1_795_246_200_000
    week = time.time() * 1000 - parse_time("7d")
    assert abs(week - 7 * 86_400_000) < 60_000
    assert abs(time.time() * 1000 - parse_time("90min") - 5_400_000) < 60_000
    for wrong in ("", "7", "7 d", "9" * 400, "9" * 400 + "d"):
        with pytest.raises(ValueError, match="is not a time"):
            parse_time(wrong)


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_accuracy", "max"), ("acc", "max"), ("test/auc", "max"), ("f1", "max"), ("score", "max"), ("loss", "min"),
        ("val_loss", "min"), ("eval/rmse", "min"), ("mean_squared_error", "min"), ("latency", None), ("loss_scale", None),
        ("neg_mean_squared_error", "max"), ("neg_log_loss", "max"), ("test/neg_brier_score", "max"), ("brier_score", "min"),
        ("anomaly_score", None), ("negative_log_loss", "max"), ("fit/risk_score", None),
    ],
)  # fmt: skip
def test_what_is_best_by_habit(name: str, direction: str | None) -> None:
    assert better(name) == direction


@pytest.mark.parametrize(("text", "position"), [("params.lr <", 11), ("params.lr < 1 and and", 18), ("(name = a", 9)])
def test_an_error_says_its_position_to_programs(text: str, position: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse_where(text)
    assert caught.value.position == position
