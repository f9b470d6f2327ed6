"""Rules of alerts: what they mean, and errors that point at the place."""

import pytest

from multitrack import QueryError
from multitrack.alerts.rules import RUN, Compared, FarFromBest, NotFinite, Silence, Test, parse_rule
from multitrack.query.columns import Column

LOSS = Column.of("metrics", "loss")


@pytest.mark.parametrize(
    ("text", "test", "by"),
    [
        ("loss > 10", Compared(LOSS, ">", 10), RUN),
        ("loss:last==-1e3", Compared(Column.of("metrics", "loss", "last"), "=", -1000.0), RUN),
        (
            "score:mean over 1h < 0.9 by deployment",
            Compared(Column.of("metrics", "score", "mean"), "<", 0.9, 3_600_000),
            Column.of("tags", "deployment"),
        ),
        (
            "score:mean over 1h of 50 values < 0.9",
            Compared(Column.of("metrics", "score", "mean"), "<", 0.9, 3_600_000, least=50),
            RUN,
        ),
        (
            'lists."a b":median over 90s >= inf by params.model/units',
            Compared(Column.of("lists", "a b", "median"), ">=", float("inf"), 90_000),
            Column.of("params", "model/units"),
        ),
        (
            "eval.loss < 1 by project",
            Compared(Column.of("metrics", "eval.loss"), "<", 1),
            Column.of("metadata", "project"),
        ),
        ("loss > 3 x best", FarFromBest(LOSS, ">", 3), RUN),
        ("loss > 3x best by run", FarFromBest(LOSS, ">", 3), RUN),
        ("loss <= .5 × best", FarFromBest(LOSS, "<=", 0.5), RUN),
        ("nan", NotFinite(None), RUN),
        ("NaN by stage", NotFinite(None), Column.of("tags", "stage")),
        ("nan loss", NotFinite(LOSS), RUN),
        ("nan < 3", Compared(Column.of("metrics", "nan"), "<", 3), RUN),
        ("no record for 10min", Silence(600_000), RUN),
        ("no = 3", Compared(Column.of("metrics", "no"), "=", 3), RUN),
    ],
)
def test_a_rule(text: str, test: Test, by: Column) -> None:
    rule = parse_rule(text)
    assert (rule.test, rule.by, rule.text) == (test, by, text)


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        ("", "expected a metric", 0),
        ("loss", "expected <", 4),
        ("loss ~ x", "expected <", 5),
        ("loss >", "expected a number", 6),
        ("loss > nan", "write `nan METRIC`", 7),
        ("loss > 1e999.5", "expected a number", 7),
        ("loss > 1 and", "expected `by` or the end", 9),
        ("loss:mean > 1", "expected `over` and a duration: loss:mean over 1h", 10),
        ("loss over 1h > 1", "say how a window is reduced: loss:mean", 0),
        ("loss:men over 1h > 1", "did you mean 'mean'?", 0),
        ("loss:best over 1h > 1", "there is no reduction 'best' here", 0),
        ("loss:mean over 1 > 1", "expected a duration", 15),
        ("loss:mean over 0s > 1", "a duration is above 0", 15),
        ("loss:mean over 1h > 3 x best", "expected `by` or the end", 22),
        ("loss:mean over 1h of many values > 3", "expected a number of values, 1 to 65536", 21),
        ("loss:mean over 1h of 0 values > 3", "expected a number of values", 21),
        ("loss:mean over 1h of 65537 values > 3", "expected a number of values", 21),
        ("loss:mean over 1h of 9 > 3", "expected `values`: of 9 values", 23),
        ("loss of 9 values > 3", "expected <", 5),
        ("loss > -1 x best", "the factor must be above 0", 7),
        ("loss = 2 x best", "can only be compared", 7),
        ("loss > 2 x", "expected `best`", 10),
        ("loss > 2 x best by stage", "the best value is one of each run", 19),
        ("params.lr > 1", "is no metric", 0),
        ("nan loss:min", "there is no reduction 'min' here", 4),
        ("no records for 1h", "expected `no record for`", 3),
        ("nan by status", "cannot be grouped by status; there are run, name", 7),
        ("nan by tags.", "there is no column", 7),
        ("nan by 'x y'", "expected a column", 7),
        ("nan loss by stage by run", "expected the end", 18),
        ("loss ＜ 1", "＜ is not <", 5),
        ("loss > 1 \x1b", "\\x1b", 9),
    ],
)  # fmt: skip
def test_an_error_shows_its_place(text: str, reason: str, place: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse_rule(text)
    assert reason in str(caught.value)
    assert caught.value.position == place
    assert "\x1b" not in str(caught.value)
