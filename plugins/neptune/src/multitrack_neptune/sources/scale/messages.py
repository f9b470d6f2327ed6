"""The operations of neptune-scale: messages of Protocol Buffers, decoded without the SDK.

Field numbers are those of ``neptune_pb/ingest/v1/common.proto``, which are the same in all releases.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from multitrack._text import clean_text
from multitrack_neptune.sources.scale.wire import Message, decode, double, inner, inners, number, text
from multitrack_neptune.sources.times import moment

#: How a member of a set changes.
_ADD: Final = 1
_MICRO: Final = Decimal(1_000_000)


class FileInNeptune(NamedTuple):
    """A file that was uploaded to Neptune, or is to be.

    Attributes:
        path: Where Neptune keeps it.
        size: Its size in bytes.
    """

    path: str
    size: int


class Histogram(NamedTuple):
    """A histogram, whose bins a journal cannot hold."""


Value = bool | int | float | str | datetime.datetime | FileInNeptune | Histogram | list[str]
"""A value of a field or series."""


class Snapshot(NamedTuple):
    """An update of a run.

    Attributes:
        time: Its time (ms).
        step: The step of what is appended; None without one.
        assigned: Fields that it sets, and their values.
        members: Path and string of each change of a set of strings, and whether it is added.
        appended: Series that it appends to, and the values.
        is_preview: True if the values are provisional.
    """

    time: int
    step: Decimal | None
    assigned: list[tuple[str, Value | None]]
    members: list[tuple[str, str, bool]]
    appended: list[tuple[str, Value | None]]
    is_preview: bool


class Creation(NamedTuple):
    """The creation of a run.

    Attributes:
        experiment: The name of its experiment; empty if it has none.
        created: When it was created (ms); None if unknown.
        parent: The id of the run that it was forked from; empty if it was not.
        parent_project: That run's project.
        fork_step: The step at which it was forked.
    """

    experiment: str
    created: int | None
    parent: str
    parent_project: str
    fork_step: Decimal | None


def read_snapshot(body: bytes, called: int) -> Snapshot:
    """Decode an update.

    Args:
        body: The message.
        called: When it was called (ms), if the message does not say.

    Raises:
        ValueError: If it is damaged.
    """
    message = decode(body)
    preview, time = inner(message, 10), _time(inner(message, 2))
    return Snapshot(
        time=called if time is None else time,
        step=_step(inner(message, 1)),
        assigned=[(_key(entry), _value(inner(entry, 2))) for entry in inners(message, 4)],
        members=[
            (_key(entry), clean_text(text(member, 1)), number(member, 2) == _ADD)
            for entry in inners(message, 5)
            for member in inners(inner(inner(entry, 2) or {}, 1) or {}, 1)
        ],
        appended=[(_key(entry), _value(inner(entry, 2))) for entry in inners(message, 8)],
        is_preview=preview is not None and number(preview, 1) == 1,
    )


def read_creation(body: bytes) -> Creation:
    """Decode the creation of a run.

    Raises:
        ValueError: If it is damaged.
    """
    message = decode(body)
    fork = inner(message, 2)
    return Creation(
        experiment=clean_text(text(message, 5)),
        created=_time(inner(message, 3)),
        parent="" if fork is None else text(fork, 2),
        parent_project="" if fork is None else text(fork, 1),
        fork_step=None if fork is None else _step(inner(fork, 4)),
    )


def _key(entry: Message) -> str:
    return clean_text(text(entry, 1))


def _value(message: Message | None) -> Value | None:
    """The value of a field or series; None if it is of a kind that this reader does not know."""
    if message is None:
        return None
    if 1 in message:
        return double(message, 1)
    if 3 in message:
        return number(message, 3)
    if 5 in message:
        return number(message, 5) == 1
    if 6 in message:
        return clean_text(text(message, 6))
    if 8 in message:
        return moment(_time(inner(message, 8)))
    if 12 in message:
        members = (inner(message, 12) or {}).get(1, ())
        return [clean_text(each.decode("utf-8", "backslashreplace")) for each in members if isinstance(each, bytes)]
    if 13 in message:
        file = inner(message, 13) or {}
        return FileInNeptune(text(file, 1), number(file, 2))
    return Histogram() if 14 in message else None


def _step(message: Message | None) -> Decimal | None:
    return None if message is None else _step_of(number(message, 1), number(message, 2))


def _step_of(whole: int, micro: int) -> Decimal:
    return (whole + micro / _MICRO).normalize() if micro else Decimal(whole)


def _time(message: Message | None) -> int | None:
    """The time in a Timestamp; the SDK makes it from a double, so that it is rounded to milliseconds here."""
    return None if message is None else number(message, 1) * 1000 + round(number(message, 2) / 1_000_000)
