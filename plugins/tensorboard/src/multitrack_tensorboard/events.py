"""Turn records into the bytes of event files.

Each record's bytes depend on that record alone. So a file that is written again after a kill has the same bytes at the
same places, and a TensorBoard that is reading it notices nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from multitrack.plugins.figures import Figure
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags, typed_params
from multitrack_tensorboard import tags
from multitrack_tensorboard.event_file import framed
from multitrack_tensorboard.internals import Sdk
from multitrack_tensorboard.numbers import store
from multitrack_tensorboard.texts import encode_lines, encode_table

# Numbers of DataType and DataClass in TensorBoard's protocol buffers.
_FLOAT: Final = 1
_STRING: Final = 7
_SCALARS: Final = 1
_TENSORS: Final = 2
_BLOBS: Final = 3


class Encoder:
    """Makes the bytes of events.

    Args:
        sdk: TensorBoard's classes.
    """

    def __init__(self, sdk: Sdk) -> None:
        self._event = sdk.Event
        self._scalar = self._metadata(sdk, "scalars", _SCALARS)
        self._text = self._metadata(sdk, "text", _TENSORS)
        self._image = self._metadata(sdk, "images", _BLOBS)

    def header(self, time: int) -> bytes:
        """Return the first event of every file."""
        return self._framed(self._event(wall_time=time / 1000, file_version="brain.Event:2"))

    def table(self, tag: str, rows: Iterable[Sequence[str]], time: int, step: int = 0) -> bytes:
        """Return a table of the Text tab."""
        event = self._event(wall_time=time / 1000, step=step)
        self._add_table(event, tag, rows)
        return self._framed(event)

    def plugin_data(self, tag: str, plugin: str, content: bytes, time: int) -> bytes:
        """Return an event without a value, whose content is for a plugin of TensorBoard."""
        event = self._event(wall_time=time / 1000)
        value = event.summary.value.add(tag=tag)
        value.metadata.plugin_data.plugin_name = plugin
        value.metadata.plugin_data.content = content
        value.metadata.data_class = _TENSORS
        value.tensor.dtype = _FLOAT
        value.tensor.tensor_shape.dim.add(size=0)
        return self._framed(event)

    def metric(self, record: Metric) -> tuple[bytes, list[str]]:
        """Return the events of one call, and a sentence for each number that TensorBoard cannot draw."""
        stand_ins: list[str] = []
        if record.step is not None:
            event = self._event(wall_time=record.time / 1000, step=record.step)
            for name, value in record.numbers.items():
                stand_ins += self._add_number(event, tags.series_tag(name), value)
            return self._framed(event), stand_ins
        data = b""
        for name, value in record.numbers.items():
            event = self._event(wall_time=record.time / 1000, step=record.earlier.get(name, 0))
            stand_ins += self._add_number(event, f"{tags.SUMMARY}{name}", value)
            data += self._framed(event)
        return data, stand_ins

    def list_metric(self, record: ListMetric) -> tuple[bytes, list[str]]:
        """Return an event for each number of a list, and a sentence for each that TensorBoard cannot draw."""
        stand_ins: list[str] = []
        events = []
        tag = tags.series_tag(record.name)
        for step, value in enumerate(record.numbers, record.index):
            event = self._event(wall_time=record.time / 1000, step=step)
            stand_ins += self._add_number(event, tag, value)
            events.append(self._framed(event))
        return b"".join(events), stand_ins

    def params(self, record: Params) -> bytes:
        """Return a table of params, with values as JSON that tells ``1``, ``1.0``, ``true`` and ``"1"`` apart."""
        rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in typed_params(record).items()]
        data = self.table(tags.PARAMS, rows, record.time, record.ordinal)
        whole = [(key, details.whole) for key, details in record.objects.items() if details.whole is not None]
        return data + self.table(tags.WHOLE, whole, record.time, record.ordinal) if whole else data

    def set_tags(self, record: Tags) -> bytes:
        """Return a table of tags."""
        return self.table(tags.TAGS, record.values.items(), record.time, record.ordinal)

    def artifact(self, record: ArtifactRef, figure: Figure | None) -> bytes:
        """Return a table of a reference, and the image if it is a figure to show."""
        event = self._event(wall_time=record.time / 1000, step=record.ordinal)
        fields = {
            "name": record.name, "uri": record.uri, "kind": record.kind, "role": record.role,
            "digest": record.digest, "version": record.version, "size": record.size,
        }  # fmt: skip
        rows = [(key, str(value)) for key, value in fields.items() if value is not None]
        self._add_table(event, tags.ARTIFACTS, rows)
        if figure is not None:
            sizes = (str(figure.width).encode(), str(figure.height).encode())
            self._add_strings(event, f"{tags.FIGURES}{record.name}", self._image, (*sizes, figure.content), (3,))
        return self._framed(event)

    def lines(self, record: Lines) -> bytes:
        """Return one text with the lines of a record; its step is the number of the first line."""
        event = self._event(wall_time=record.time / 1000, step=record.index)
        text = encode_lines(record.lines).encode()
        self._add_strings(event, f"{tags.LINES}{record.stream}", self._text, (text,), ())
        return self._framed(event)

    def _add_number(self, event: Any, tag: str, value: float) -> list[str]:
        stored = store(value)
        item = event.summary.value.add(tag=tag)
        item.metadata.CopyFrom(self._scalar)
        tensor = item.tensor
        tensor.dtype = _FLOAT
        tensor.float_val.append(stored.single)
        if stored.double is not None:
            tensor.double_val.append(stored.double)
        if stored.digits is not None:
            tensor.string_val.append(stored.digits.encode())
        if stored.drawn:
            return []
        exact = f"{tags.EXACT}{tag}"
        self._add_strings(event, exact, self._text, (encode_lines([str(value)]).encode(),), ())
        return [f"{tag}: TensorBoard draws 32-bit floats; numbers that these cannot hold are kept as text in {exact}"]

    def _add_table(self, event: Any, tag: str, rows: Iterable[Sequence[str]]) -> None:
        cells = encode_table(rows)
        strings = [cell.encode() for row in cells for cell in row]
        self._add_strings(event, tag, self._text, strings, (len(cells), 2))

    @staticmethod
    def _add_strings(event: Any, tag: str, metadata: Any, strings: Iterable[bytes], shape: Iterable[int]) -> None:
        value = event.summary.value.add(tag=tag)
        value.metadata.CopyFrom(metadata)
        value.tensor.dtype = _STRING
        value.tensor.string_val.extend(strings)
        for size in shape:
            value.tensor.tensor_shape.dim.add(size=size)

    @staticmethod
    def _metadata(sdk: Sdk, plugin: str, data_class: int) -> Any:
        metadata = sdk.SummaryMetadata(data_class=data_class)
        metadata.plugin_data.plugin_name = plugin
        return metadata

    @staticmethod
    def _framed(event: Any) -> bytes:
        return framed(event.SerializeToString(deterministic=True))
