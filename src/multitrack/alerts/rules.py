"""Parse the rules of alerts: a condition on a metric or on the arrival of records, for each group of runs.

::

    rule   = test ["by" column]
    test   = metric sign number                                     the newest value
           | metric ":" reduction "over" duration ["of" count "values"] sign number    the values of a window
           | metric sign factor "x" "best"                          the newest value and the best before it
           | "nan" [metric]                                         a value that is NaN or infinite
           | "no" "record" "for" duration
    metric = name                                                   loss, metrics."val loss", lists.latency
    sign   = "=" | "!=" | "<" | "<=" | ">" | ">="
    column = "run" | "name" | "project" | "group" | "parent" | tag | "tags." tag | "params." param

Numbers, durations and quotes are those of filters (:mod:`multitrack.query.filters`). Without ``by``, each run is a
group of its own.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from multitrack.alerts.windows import LARGEST
from multitrack.errors import QueryError
from multitrack.query.columns import GROUPS, METADATA, REDUCED, Column, parse_column
from multitrack.query.literals import BEYOND, is_beyond, number_of
from multitrack.query.times import parse_duration
from multitrack.query.tokens import Token, TokenReader
from multitrack.security.terminal import excerpt
from multitrack.summaries.statistics import REDUCTIONS

#: The metadata that runs can be grouped and selected by: it is known from the start and does not change.
GROUPED: Final = ("run", "name", "project", "group", "parent")
#: The reductions of a window.
REDUCED_OVER: Final = tuple(name for name in REDUCTIONS if name != "best")
RUN: Final = Column.of("metadata", "run")
_FACTOR: Final = re.compile(r"(?P<number>[^x×*]+)[x×*]?", re.IGNORECASE)
_TIMES: Final = ("x", "×", "*")


class Compared(msgspec.Struct, frozen=True, tag=True):
    """Compares the newest value of a metric, or a reduction of its window, with a number.

    Attributes:
        metric: The metric; its reduction is that of the window.
        sign: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        number: The number.
        window: Milliseconds of the window; None for the newest value alone.
        least: The number of values with which a window says something; with fewer, nothing changes. The comparison has
            to be false for as many values in a row until the alert is resolved.
    """

    metric: Column
    sign: str
    number: int | float
    window: int | None = None
    least: int = 1


class FarFromBest(msgspec.Struct, frozen=True, tag=True):
    """Compares the newest value with the best earlier one: the lowest for ``>``, the highest for ``<``."""

    metric: Column
    sign: str
    factor: int | float


class NotFinite(msgspec.Struct, frozen=True, tag=True):
    """The newest value of the metric, or of any metric, is NaN or infinite."""

    metric: Column | None


class Silence(msgspec.Struct, frozen=True, tag=True):
    """No record of any kind for a number of milliseconds."""

    limit: int


Test = Compared | FarFromBest | NotFinite | Silence


class Rule(msgspec.Struct, frozen=True):
    """A parsed rule.

    Attributes:
        text: The rule as written.
        test: Its condition.
        by: The column whose values are the groups.
    """

    text: str
    test: Test
    by: Column = RUN

    @property
    def lookback(self) -> int:
        """Milliseconds of earlier records that the condition depends on; a run's best depends on the whole run."""
        if isinstance(self.test, Compared):
            # With a number of values, it also depends on as many results before, each of a window of its own.
            return (self.test.window or 0) * (1 if self.test.least == 1 else 2)
        return self.test.limit if isinstance(self.test, Silence) else 0


def parse_rule(text: str) -> Rule:
    """Parse a rule.

    Raises:
        QueryError: The rule is invalid; the message shows the place.
    """
    return _Parser(text).parse()


def groupable(column: Column) -> bool:
    """Return True if runs can be grouped and selected by a column: records only add to it."""
    return column.group in ("tags", "params") or (column.group == "metadata" and column.name in GROUPED)


class _Parser(TokenReader):
    def __init__(self, text: str) -> None:
        super().__init__(text, "a rule")
        self._rule = text

    def parse(self) -> Rule:
        test = self._test()
        by = RUN
        if self.took("by"):
            by = self._by(self.take())
            if isinstance(test, FarFromBest) and by != RUN:
                self.fail("the best value is one of each run: leave out `by`", self.last)
        if self.token.kind != "end":
            self.fail("expected `by` or the end" if by == RUN else "expected the end")
        return Rule(self._rule, test, by)

    def _test(self) -> Test:
        first = self.take()
        after = self.token
        keyword = first.kind == "word" and after.kind != "operator" and after.text.lower() != "over"
        if keyword and first.text.lower() == "nan":
            named = after.kind == "word" and after.text.lower() != "by"
            return NotFinite(self._metric(self.take())) if named else NotFinite(None)
        if keyword and first.text.lower() == "no":
            for word in ("record", "for"):
                if not self.took(word):
                    self.fail("expected `no record for` and a duration, such as 10min")
            return Silence(self._duration())
        metric = self._metric(first, reduced=True)
        window, least = None, 1
        if self.took("over"):
            if metric.reduction is None:
                name = excerpt(first.text)
                self.fail(f"say how a window is reduced: {name}:mean, or :{', :'.join(REDUCED_OVER)}", first)
            window = self._duration()
            least = self._least() if self.took("of") else 1
        elif metric.reduction not in (None, "last"):
            self.fail(f"expected `over` and a duration: {excerpt(first.text)} over 1h")
        if self.token.kind != "operator" or self.token.text == "~":
            self.fail("expected <, <=, >, >=, = or !=" + ("" if window else ", or `over` and a duration"))
        sign = self.take().text.replace("==", "=")
        return self._compared(metric, sign, window, least)

    def _compared(self, metric: Column, sign: str, window: int | None, least: int) -> Test:
        token = self.take()
        if token.kind == "word" and window is None and (self.token.text.lower() in (*_TIMES, "best")):
            return self._far_from_best(metric, sign, token)
        return Compared(metric, sign, self._number(token), window, least)

    def _far_from_best(self, metric: Column, sign: str, token: Token) -> Test:
        parts = _FACTOR.fullmatch(token.text)
        factor = self._number(Token("word", parts["number"] if parts else token.text, token.place))
        if factor <= 0:
            self.fail("the factor must be above 0", token)
        if sign in ("=", "!="):
            self.fail("the best value can only be compared with <, <=, > and >=", token)
        if not any(self.took(word) for word in _TIMES) and not token.text.lower().endswith(_TIMES):
            self.fail(f"expected `x best`: {token.text} x best")
        if not self.took("best"):
            self.fail("expected `best`")
        return FarFromBest(metric, sign, factor)

    def _metric(self, token: Token, *, reduced: bool = False) -> Column:
        if token.kind != "word":
            self.fail("expected a metric, such as loss, `nan`, or `no record for`", token)
        group = token.text.partition(".")[0]
        if group in GROUPS and group not in REDUCED:
            self.fail(f"{excerpt(token.text)} is no metric, such as loss or metrics.loss", token)
        try:
            column = parse_column(token.text if group in REDUCED else f"metrics.{token.text}")
        except QueryError as error:
            self.fail(str(error), token)
        if column.reduction is not None and (not reduced or column.reduction == "best"):
            known = f"; there are {', '.join(REDUCED_OVER)}" if reduced else ""
            self.fail(f"there is no reduction {column.reduction!r} here{known}", token)
        return column

    def _by(self, token: Token) -> Column:
        if token.kind != "word":
            self.fail("expected a column, such as run, project or tags.deployment", token)
        text: Any = token.text
        if text.partition(".")[0] not in GROUPS and text not in METADATA:
            text = f"tags.{text}"
        try:
            column = parse_column(text)
        except QueryError as error:
            self.fail(str(error), token)
        if not groupable(column):
            self.fail(f"runs cannot be grouped by {excerpt(token.text)}; {may_group()}", token)
        return column

    def _number(self, token: Token) -> int | float:
        number = number_of(token.text) if token.kind == "word" else None
        if number is None or number != number:
            self.fail(f"expected a number{', not NaN: write `nan METRIC`' if number is not None else ''}", token)
        if is_beyond(token.text, number):
            self.fail(BEYOND, token)
        return number

    def _duration(self) -> int:
        token = self.take()
        try:
            limit = round(parse_duration(token.text) * 1000)
        except (ValueError, OverflowError):
            self.fail("expected a duration, such as 90s, 15min, 2h or 7d", token)
        if not 0 < limit <= _LONGEST:
            self.fail("a duration is above 0 and at most 3650d", token)
        return limit

    def _least(self) -> int:
        token = self.take()
        if not token.text.isdecimal() or not 1 <= (least := int(token.text)) <= LARGEST:
            self.fail(f"expected a number of values, 1 to {LARGEST}", token)
        if not self.took("values"):
            self.fail(f"expected `values`: of {least} values")
        return least


#: Maximum milliseconds of a window.
_LONGEST: Final = 3650 * 86_400_000


def may_group() -> str:
    """The columns that runs can be grouped and selected by, for messages."""
    return f"there are {', '.join(GROUPED)}, tags.NAME and params.NAME"
