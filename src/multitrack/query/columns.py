"""Columns of a comparison by name, with one syntax for options, ``sort``, ``where`` and code.

::

    name, status, started            metadata
    tags.stage  params.lr            a tag, a param
    metrics.accuracy                 a simple metric, or the last point of a series
    metrics.loss:min                 another reduction of the series
    lists.epoch_loss:median          a reduction of a list metric
    inputs.lr  outputs.weights       a param, metric or reference with its type, value and source
    versions.train                   the version of a reference that the run read, or else its digest
    models.classifier                the version of a model that the run wrote
    params."a name: with anything"   quoted if it contains spaces, commas, colons, quotes, brackets or =, !, <, >, ~
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from multitrack._hints import did_you_mean
from multitrack.errors import QueryError
from multitrack.security.terminal import excerpt
from multitrack.summaries.statistics import REDUCTIONS

Kind = Literal["text", "number", "time", "seconds", "value"]

#: The groups of columns, in the order of tables.
GROUPS: Final = ("metadata", "tags", "params", "metrics", "lists", "inputs", "outputs", "versions", "models")
#: The groups whose columns may have a reduction.
REDUCED: Final = ("metrics", "lists")
#: The metadata columns.
METADATA: Final = (
    "run", "name", "project", "status", "started", "ended", "took", "parent", "group", "notes", "user", "host",
    "program", "command", "python", "commit", "branch", "dirty", "records", "lines", "tracker", "tracker_id",
    "journal",
)  # fmt: skip
_KINDS: Final[dict[str, Kind]] = {
    "started": "time", "ended": "time", "took": "seconds", "records": "number", "lines": "number",
}  # fmt: skip
#: Characters that word processors and phones insert instead of those of the language, and the intended ones.
_DASHES: Final = "−–—‐‑﹣－"
_LOOK_ALIKES: Final = {
    **dict.fromkeys("“”„‟″«»＂", '"'), **dict.fromkeys("‘’‚‛′‹›＇`´", "'"), **dict.fromkeys("≤⩽≦", "<="),
    **dict.fromkeys("≥⩾≧", ">="), "≠": "!=", "＜": "<", "＞": ">", "＝": "=", **dict.fromkeys(_DASHES, "-"),
}  # fmt: skip
_AS_MINUS: Final = str.maketrans(dict.fromkeys(_DASHES, "-"))
_NUMBER: Final = re.compile(r"-*(?:[\d.]+(?:e[+-]?\d+)?|inf|nan)?|-[a-z]+\..*", re.IGNORECASE)
_INVISIBLE: Final = "\u00ad\u200b\u2060\ufeff"
#: A name that need not be quoted.
_PLAIN: Final = re.compile(r"[^\s\"'(),:=!<>~*?\[\]]+")
_COLUMN: Final = re.compile(
    r"(?:(?P<group>[a-z]+)\.)?(?:(?P<quoted>\"(?:[^\"\\]|\\.)*\")|(?P<plain>[^\s\"':]+))(?::(?P<reduction>\w*))?"
)
_RISING: Final = re.compile(
    r"(?:^|[_/.\- ])(?:\w*acc|\w*accuracy|auc|f1|\w*score|precision|recall|iou|r2|bleu|reward)$"
)
_FALLING: Final = re.compile(
    r"(?:^|[_/.\- ])(?:\w*loss|\w*error|mse|mae|rmse|mape|perplexity|wer|cer|\w*brier(?:_score)?)$"
)
_NEGATED: Final = re.compile(r"(?:^|[_/.\- ])neg(?:ative)?[_\- ]")
#: Scores that say how likely something is, not how good.
_UNDECIDED: Final = re.compile(r"(?:^|[_/.\- ])(?:anomaly|outlier|novelty|risk)_score$")


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        group: One of :data:`GROUPS`.
        name: The name of the field, param, metric, list, tag or reference.
        reduction: The reduction of a series or list; ``None`` for the comparison's default.
        kind: The kind of its cells: ``text``, ``number``, ``time`` (ms since the epoch), ``seconds``, or ``value``.
    """

    group: str
    name: str
    reduction: str | None = None
    kind: Kind = "text"

    @classmethod
    def of(cls, group: str, name: str, reduction: str | None = None) -> Column:
        """Return a column with its group's kind, as far as known without looking at runs."""
        kinds: dict[str, Kind] = {"metrics": "number", "lists": "number", "inputs": "value", "outputs": "value"}
        return cls(
            group, name, reduction, _KINDS.get(name, "text") if group == "metadata" else kinds.get(group, "text")
        )

    def __str__(self) -> str:
        prefix = "" if self.group == "metadata" else f"{self.group}."
        plain = _PLAIN.fullmatch(self.name) and not misread(self.name)
        name = self.name if plain else json.dumps(self.name, ensure_ascii=False)
        return f"{prefix}{name}{f':{self.reduction}' if self.reduction else ''}"


def parse_column(text: str) -> Column:
    """Parse a column.

    Raises:
        QueryError: The text is not a valid column.
    """
    shown = repr(excerpt(text))
    match = _COLUMN.fullmatch(text)
    if match is None:
        wrong = misread(text)
        why = wrong[1] if wrong else 'quote odd names: params."a b"'
        raise QueryError(f"{shown} is not a column, such as params.lr or metrics.loss:min; {why}")
    group, reduction = match["group"] or "metadata", match["reduction"]
    name = unquoted(match["quoted"]) if match["quoted"] else match["plain"]
    if group not in GROUPS:
        near = did_you_mean(group, GROUPS)
        raise QueryError(f"{shown}: there is no group {excerpt(group)!r}{near}; there are {', '.join(GROUPS)}")
    if group == "metadata" and name not in METADATA:
        brief = excerpt(name)
        near = " (did you mean 'run'?)" if name in ("id", "run_id") else did_you_mean(name, METADATA)
        raise QueryError(
            f"there is no column {brief!r}{near}; params.{brief} or metrics.{brief}, or one of "
            f"{', '.join(METADATA)}{f'; {wrong[1]}' if (wrong := misread(name)) else ''}"
        )
    if reduction is not None:
        if group not in REDUCED:
            raise QueryError(f"{shown}: only metrics and lists can be reduced")
        if reduction not in REDUCTIONS:
            raise QueryError(
                f"{shown}: no reduction {excerpt(reduction)!r}{did_you_mean(reduction, REDUCTIONS)}; there are "
                f'{", ".join(REDUCTIONS)}; a name with a colon is quoted: {group}."a:b"'
            )
    return Column.of(group, name, reduction)


def unquoted(text: str) -> str:
    """Remove the quotes of a text; double quotes may contain JSON escapes."""
    if text[0] == '"':
        try:
            return str(json.loads(text, strict=False))
        except ValueError:
            pass  # an invalid JSON escape is kept as it is
    return text[1:-1]


def misread(word: str) -> tuple[int, str] | None:
    """Return the place of a look-alike or invisible character in an unquoted word, and an error message, or None."""
    if word.isascii() and "`" not in word:
        return None
    for place, character in enumerate(word):
        if (meant := _LOOK_ALIKES.get(character)) is not None:
            if character in _DASHES and not _NUMBER.fullmatch(word.translate(_AS_MINUS)):
                continue  # a dash in a name
            return place, f"{character} is not {meant}: write {meant}, or put the text in double quotes"
        if character in _INVISIBLE:
            return place, f"an invisible character, U+{ord(character):04X}: remove it, or put the text in double quotes"
    return None


def listed(columns: str | Iterable[str]) -> list[str]:
    """Return columns or patterns as a list; a text is split at commas outside quotes."""
    if not isinstance(columns, str):
        return list(columns)
    parts, begin, quoted = [], 0, False
    for found in re.finditer('[",]', columns):
        at = found.start()
        if found[0] == '"':
            quoted ^= columns[at - 1 : at] != "\\"
        elif not quoted:
            parts.append(columns[begin:at])
            begin = at + 1
    parts.append(columns[begin:])
    return [part.strip() for part in parts if part.strip()]


def better(name: str) -> Literal["min", "max"] | None:
    """Return which end of a metric is best, ``min`` or ``max``, by common names; ``None`` if unknown.

    For scikit-learn's ``neg_mean_squared_error`` and so on it is ``max``, since they are errors times -1.
    """
    name = name.lower()
    if _UNDECIDED.search(name):
        return None
    if _FALLING.search(name):
        return "max" if _NEGATED.search(name) else "min"
    return "max" if _RISING.search(name) else None
