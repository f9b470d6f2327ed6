"""Parse the criterion by which runs or models are compared: a column, and which of its values is the best."""

from __future__ import annotations

from typing import Literal

import msgspec

from multitrack.errors import QueryError
from multitrack.query.columns import REDUCED, Column, better, parse_column
from multitrack.security.terminal import excerpt
from multitrack.summaries.doubles import is_finite
from multitrack.summaries.summary import Summary


def parse_criterion(text: str) -> tuple[Column, Literal["min", "max"]]:
    """Return a column, and which of its values is the best.

    Args:
        text: ``accuracy``, whose direction follows from its name, or ``metrics.loss:min``.

    Raises:
        QueryError: If the column is invalid, or its name does not say whether a low or a high value is better.
    """
    head, _, direction = text.rpartition(":")
    if direction in ("min", "max"):
        column = parse_column(head)
        if column.reduction is None and column.group in ("metrics", "lists"):
            column = msgspec.structs.replace(column, reduction=direction)
        return column, "min" if direction == "min" else "max"
    column = parse_column(text)
    habit = better(column.name)
    if habit is None:
        name = excerpt(text)
        raise QueryError(f"is a low or a high {name} better? say {name}:min or {name}:max")
    return column, habit


def parse_metric(text: str) -> tuple[Column, Literal["min", "max"]]:
    """As :func:`parse_criterion`, for a metric or list without ``metrics.`` before its name: ``val_loss:min``."""
    return parse_criterion(text if text.partition(".")[0] in REDUCED else f"metrics.{text}")


def objective_of(summary: Summary, text: str) -> tuple[Literal["min", "max"], int | float | None]:
    """Return which end of an objective is the best, and a run's value: the last one, or that of the reduction named.

    Args:
        summary: The run's summary.
        text: As for :func:`parse_metric`.

    Returns:
        The direction, and the value; None if the run has no finite one.

    Raises:
        QueryError: As :func:`parse_criterion`.
    """
    column, direction = parse_metric(text)
    value: int | float | None = summary.simple.get(column.name)
    statistics = summary.series.get(column.name) or summary.lists.get(column.name)
    if statistics is not None and (value is None or column.reduction is not None):
        value = statistics.reduce(column.reduction or "last")
    return direction, value if value is not None and is_finite(value) else None
