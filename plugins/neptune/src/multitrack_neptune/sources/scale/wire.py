"""Read the wire format of Protocol Buffers: numbered fields, without their definitions.

Field numbers do not change between releases, since those are what the format keeps stable.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_VARINT, _BYTES = 0, 2
#: Length in bytes of the other wire types.
_FIXED: Final = {1: 8, 5: 4}
_DOUBLE: Final = struct.Struct("<d")

Message = dict[int, list[int | bytes]]
"""The values of a message by field: numbers, or the bytes of texts, doubles and inner messages."""


def decode(body: bytes) -> Message:
    """Decode a message.

    Raises:
        ValueError: If it is damaged.
    """
    found: Message = {}
    for field, value in _fields(body):
        found.setdefault(field, []).append(value)
    return found


def inner(message: Message, field: int) -> Message | None:
    """The last message in a field; None if it is missing."""
    values = message.get(field)
    return None if not values or not isinstance(values[-1], bytes) else decode(values[-1])


def inners(message: Message, field: int) -> Iterator[Message]:
    """Yield the messages in a repeated field; entries of a map have the key in field 1 and the value in field 2."""
    for value in message.get(field, ()):
        if isinstance(value, bytes):
            yield decode(value)


def text(message: Message, field: int) -> str:
    """The text in a field; empty if it is missing."""
    values = message.get(field)
    return values[-1].decode("utf-8", "backslashreplace") if values and isinstance(values[-1], bytes) else ""


def number(message: Message, field: int) -> int:
    """The integer in a field, as a signed one of 64 bits; 0 if it is missing."""
    values = message.get(field)
    value = values[-1] if values else 0
    if not isinstance(value, int):
        return 0
    return value - 2**64 if value >= 2**63 else value


def double(message: Message, field: int) -> float | None:
    """The double in a field; None if it is missing."""
    values = message.get(field)
    if not values or not isinstance(values[-1], bytes) or len(values[-1]) != _DOUBLE.size:
        return None
    found: float = _DOUBLE.unpack(values[-1])[0]
    return found


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(body):
        tag, position = _varint(body, position)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(body, position)
            yield field, value
            continue
        if kind == _BYTES:
            length, position = _varint(body, position)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind}")
        if position + length > len(body):
            raise ValueError("cut short")
        yield field, body[position : position + length]
        position += length


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """Return a number of variable length, and the position after it."""
    value = shift = 0
    while shift < 70:
        if position >= len(body):
            raise ValueError("cut short")
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
    raise ValueError("a number without an end")
