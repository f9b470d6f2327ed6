"""Read event files of any writer: records with their checksums, and values with the plugin that shows them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from multitrack_tensorboard.event_file import checksum
from multitrack_tensorboard.internals import load_sdk
from multitrack_tensorboard.numbers import exact_number

_HEAD: Final = struct.Struct("<Q4s")
#: Bytes of the checksum behind a record.
_TAIL: Final = 4
#: Largest record that is read; a longer length is damage.
_LARGEST: Final = 1 << 30
# Numbers of DataType in TensorBoard's protocol buffers, the field of their values, and the code of packed bytes.
_TYPES: Final = {
    1: ("float_val", "f"), 2: ("double_val", "d"), 3: ("int_val", "i"), 9: ("int64_val", "q"), 10: ("bool_val", "?"),
    19: ("half_val", "e"),
}  # fmt: skip
_STRING: Final = 7


class Value(NamedTuple):
    """A value of an event.

    Attributes:
        time: Milliseconds since the epoch.
        step: Its step.
        tag: Its tag.
        plugin: The plugin that shows the tag: ``scalars``, ``text``, ``images`` and so on.
        number: The number, if it is a scalar.
        texts: The texts, if it is one or more.
        tensor: The tensor, if there is one.
        content: The data for the plugin, such as that of ``hparams``.
    """

    time: int
    step: int
    tag: str
    plugin: str
    number: int | float | None
    texts: list[str]
    tensor: Any
    content: bytes


def read_values(path: Path, damage: list[int]) -> Iterator[Value]:
    """Yield the values of an event file in its order.

    Args:
        path: The file.
        damage: Collects the position of the first damaged record, at which reading ends: its length cannot be trusted.
    """
    event_type = load_sdk().Event
    plugins: dict[str, str] = {}  # only the first value of a tag names its plugin
    for body in _records(path, damage):
        event = event_type.FromString(body)
        time = round(event.wall_time * 1000)
        for value in event.summary.value:
            plugin = value.metadata.plugin_data.plugin_name or plugins.get(value.tag, "")
            kind = value.WhichOneof("value")
            if not plugin and kind == "simple_value":
                plugin = "scalars"
            elif not plugin and kind in ("image", "histo", "audio"):
                plugin = {"image": "images", "histo": "histograms", "audio": "audio"}[kind]
            plugins.setdefault(value.tag, plugin)
            number = value.simple_value if kind == "simple_value" else None
            texts: list[str] = []
            tensor = value.tensor if kind == "tensor" else None
            if tensor is not None and plugin == "scalars":
                number = _number(tensor)
            elif tensor is not None and plugin == "text" and tensor.dtype == _STRING:
                texts = [text.decode("utf-8", "replace") for text in tensor.string_val]
            yield Value(time, event.step, value.tag, plugin, number, texts, tensor, value.metadata.plugin_data.content)


def _number(tensor: Any) -> int | float | None:
    """The number of a scalar's tensor; None if it has none."""
    name, code = _TYPES.get(tensor.dtype, ("", ""))
    if tensor.dtype == 1 and (tensor.string_val or tensor.float_val):
        return exact_number(tensor)  # beside the float, multitrack writes the exact number
    if tensor.tensor_content and code:
        found: int | float = struct.unpack_from(f"<{code}", tensor.tensor_content)[0]
        return found
    values = getattr(tensor, name) if name else ()
    if not values:
        return None
    if code == "e":  # the bits of a half are in an integer
        half: float = struct.unpack("<e", struct.pack("<H", values[0]))[0]
        return half
    return int(values[0]) if code in "iq?" else float(values[0])


def _records(path: Path, damage: list[int]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while True:
            start = file.tell()
            head = file.read(_HEAD.size)
            if not head:
                return
            length, check = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, b"")
            if check != checksum(head[:8]) or length > _LARGEST:
                damage.append(start)
                return
            body, tail = file.read(length), file.read(_TAIL)
            if len(body) < length or tail != checksum(body):
                damage.append(start)
                return
            yield body
