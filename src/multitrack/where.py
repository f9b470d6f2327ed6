"""Filters of runs: a small language, parsed into a predicate.

::

    filter = and {"or" and}
    and    = not {"and" not}
    not    = "not" not | "(" filter ")" | test
    test   = column                              the run has it
           | column ("=" | "!=" | "<" | "<=" | ">" | ">=") value
           | column "~" value                    the text holds it, in any case
           | column "in" "(" value {"," value} ")"
    column = name ["." name] [":" reduction]     params.lr, tags."my stage", metrics.loss:min, status
    value  = number | true | false | none | text, "quoted" where it is not a plain word

A comparison with what a run does not have is false, ``!=`` as well; so is one of a text with a number, except that a
tag which reads as a number is one. ``none`` is a value: a param's, or a run's parent where it has none. NaN equals
``nan`` and nothing else. Times are ISO 8601, local without an offset, or ``7d``, ``12h``, ``30min`` ago; durations
seconds, or ``90s``, ``15min``, ``2h``. Where a column is always a number, a plain word that is none is an error.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from multitrack.cells import ABSENT, Value
from multitrack.columns import Column, parse_column
from multitrack.errors import QueryError
from multitrack.moments import parse_duration, parse_time
from multitrack.records import STATUSES

#: What a run has in a column; a tuple: what has several names. :data:`~multitrack.cells.ABSENT`: nothing.
Lookup = Callable[[Column], Any]
Predicate = Callable[[Lookup], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?P<operator><=|>=|!=|==|[=<>~])|(?P<mark>[(),])"
    r"|(?P<word>(?:[^\s\"'()<>=!~,]|(?<=\.)\"(?:[^\"\\]|\\.)*\")+))"
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SPACE: Final = re.compile(r"\s")
_CONSTANTS: Final = {"true": True, "false": False, "none": None}
#: Brackets and nots within each other; Python's own stack ends at some hundreds.
_DEPTH: Final = 50


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def columns_in(text: str) -> list[Column]:
    """The columns that a filter asks for.

    Raises:
        QueryError: It is no filter.
    """
    parser = _Parser(text)
    parser.parse()
    return list(parser.columns)


def parse_where(text: str) -> Predicate:
    """A predicate of a filter's text.

    Raises:
        QueryError: It is none; the message shows the place.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = 0
        self._depth = 0
        self.columns: dict[Column, None] = {}

    def parse(self) -> Predicate:
        found = self._any()
        if self._token.kind != "end":
            self._fail("expected `and`, `or` or the end")
        return found

    def _split(self) -> list[_Token]:
        tokens, place, end = [], 0, len(self._text.rstrip())
        while place < end:
            match = _TOKEN.match(self._text, place)
            if match is None:
                place += len(self._text[place:]) - len(self._text[place:].lstrip())
                what = "a quote without its end" if self._text[place] in "\"'" else "this is no part of a filter"
                raise self._error(what, place)
            kind = match.lastgroup or ""
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            place = match.end()
        return [*tokens, _Token("end", "", end)]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _took(self, word: str) -> bool:
        """Whether this word, operator or mark comes next; if so it is passed over."""
        token = self._token
        found = token.kind in ("word", "mark") and token.text.lower() == word
        self._next += found
        return found

    def _error(self, reason: str, place: int) -> QueryError:
        return QueryError(f"{reason}\n  {re.sub(_SPACE, ' ', self._text)}\n  {' ' * place}^")

    def _fail(self, reason: str, token: _Token | None = None) -> NoReturn:
        raise self._error(reason, (token or self._token).place)

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._took("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda lookup: any(part(lookup) for part in parts)

    def _all(self) -> Predicate:
        parts = [self._not()]
        while self._took("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda lookup: all(part(lookup) for part in parts)

    def _not(self) -> Predicate:
        self._depth += 1
        if self._depth > _DEPTH:
            self._fail(f"more than {_DEPTH} brackets within each other")
        try:
            if self._took("not"):
                found = self._not()
                return lambda lookup: not found(lookup)
            if self._took("("):
                found = self._any()
                if not self._took(")"):
                    self._fail("expected )")
                return found
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Predicate:
        token = self._take()
        if token.kind != "word":
            self._fail("expected a column, such as params.lr or status", token)
        try:
            column = parse_column(token.text)
        except QueryError as error:
            self._fail(str(error), token)
        self.columns[column] = None
        if self._took("in"):
            wanted = self._values(column)
            return lambda lookup: any(_compares("=", _found(column, lookup), value) for value in wanted)
        if self._token.kind != "operator":
            return lambda lookup: lookup(column) is not ABSENT
        sign = self._take().text.replace("==", "=")
        if sign == "~":
            part = self._take()
            if part.kind not in ("word", "text"):
                self._fail("expected a text", part)
            needle = _unquoted(part).lower()
            return lambda lookup: _holds(lookup(column), needle)
        value = self._value(column)
        if value is None and sign not in ("=", "!="):
            self._fail("none is compared with = and != only", self._tokens[self._next - 1])
        return lambda lookup: _compares(sign, _found(column, lookup), value)

    def _values(self, column: Column) -> list[Any]:
        if not self._took("("):
            self._fail("expected ( and values: in (1, 2)")
        values = [self._value(column)]
        while self._took(","):
            values.append(self._value(column))
        if not self._took(")"):
            self._fail("expected , or )")
        return values

    def _value(self, column: Column) -> Any:
        token = self._take()
        if token.kind not in ("word", "text"):
            self._fail("expected a value", token)
        text = _unquoted(token)
        if column.kind == "time":
            try:
                return parse_time(text)
            except ValueError as error:
                self._fail(str(error), token)
        if column == Column.of("metadata", "status") and text not in STATUSES:
            self._fail(f"there is no status {text!r}; there are {', '.join(STATUSES)}", token)
        quoted = token.kind == "text"
        if not quoted and text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        value = text if quoted else _number(text)
        if isinstance(value, str) and column.kind == "seconds":
            try:
                return parse_duration(text)
            except ValueError as error:
                self._fail(str(error), token)
        if isinstance(value, str) and column.kind == "number" and not quoted:
            other = "; two columns cannot be compared" if _is_column(text) else ""
            self._fail(f"{text!r} is no number{other}", token)
        return value


def _is_column(text: str) -> bool:
    try:
        parse_column(text)
    except QueryError:
        return False
    return True


def _unquoted(token: _Token) -> str:
    if token.kind == "word":
        return token.text
    if token.text[0] == "'":
        return token.text[1:-1]
    try:
        return str(json.loads(token.text, strict=False))
    except ValueError:
        return token.text[1:-1]  # a backslash that JSON does not know stands for itself


def _number(text: str) -> Any:
    """A number, where it is one."""
    for kind in (int, float):
        try:
            return kind(text.replace("_", "x"))  # Python's 1_000 is a text here
        except ValueError:
            continue
    return text


def _found(column: Column, lookup: Lookup) -> Any:
    """A run's value; every run has all metadata, be it ``None``."""
    found = lookup(column)
    if isinstance(found, Value):
        return found.value
    return None if found is ABSENT and column.group == "metadata" else found


def _compares(sign: str, found: Any, wanted: Any) -> bool:
    if isinstance(found, tuple):
        return (all if sign == "!=" else any)(_compares(sign, name, wanted) for name in found)
    if found is ABSENT:
        return False
    if wanted is None:
        return (found is None) == (sign == "=")
    if found is None:
        return False
    if isinstance(found, str) and isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        found = _number(found)
    elif isinstance(wanted, str) and not isinstance(found, str):
        found = json.dumps(found, ensure_ascii=False) if isinstance(found, list) else found
    if _is_nan(found) and _is_nan(wanted):
        return sign == "="  # as people look for them; otherwise NaN equals nothing
    if isinstance(found, bool) != isinstance(wanted, bool) or isinstance(found, str) != isinstance(wanted, str):
        return False
    try:
        return _COMPARE[sign](found, wanted)
    except TypeError:
        return False  # a list


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _holds(found: Any, needle: str) -> bool:
    if isinstance(found, tuple):
        return any(_holds(name, needle) for name in found)
    found = getattr(found, "value", found)
    return found not in (None, ABSENT) and needle in str(found).lower()
