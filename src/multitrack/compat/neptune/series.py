"""Record series: numbers as points with steps, texts as log lines, images as references."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from itertools import chain, repeat
from typing import Any, Final

from multitrack.compat.media import is_image
from multitrack.compat.neptune.fields import Field, Fields
from multitrack.compat.neptune.files import FileRecorder
from multitrack.compat.neptune.types import File
from multitrack.compat.neptune.utils import StringifyValue
from multitrack.compat.numbers import number_of
from multitrack.compat.omissions import Omissions
from multitrack.inputs.prepare import LARGEST_STEP
from multitrack.recording.run import Run

_NO_TIMES: Final = "timestamps are left out: a point has the time of the call"


class SeriesRecorder:
    """Records the series of one run.

    Args:
        run: The run.
        fields: Its fields.
        files: Records images.
        omissions: Counts what cannot be recorded.
    """

    def __init__(self, run: Run, fields: Fields, files: FileRecorder, omissions: Omissions) -> None:
        self._run = run
        self._fields = fields
        self._files = files
        self._omissions = omissions
        self._lock = threading.Lock()  # threads that append to one series get steps of their own

    def append(
        self, path: str, value: Any, step: Any = None, timestamp: Any = None, *, has_caption: bool = False
    ) -> None:
        """Append one value, or with a mapping one value to each of several series.

        Args:
            path: The series, or the namespace of several.
            value: A number, a text, an image, or a mapping of them.
            step: The step; default: the one after the last.
            timestamp: The time, which is left out.
            has_caption: True if an image has a name or a description, which is left out.
        """
        if isinstance(value, StringifyValue):
            value = value.value if isinstance(value.value, Mapping) else str(value.value)
        if isinstance(value, Mapping):
            for key, item in value.items():
                self.append(f"{path}/{key}" if path else str(key), item, step, timestamp, has_caption=has_caption)
            return
        if timestamp is not None:
            self._omissions.leave_out("append", _NO_TIMES)
        if isinstance(value, str):
            self._lines(path, [value])
            return
        if isinstance(value, File) or is_image(value):
            field = self._fields.series(path, "File Series")
            self._files.append(path, value, self._next(field, step))
            if has_caption:
                self._omissions.leave_out("append", "names and descriptions of images")
            return
        number = number_of(value)
        if number is None:
            self._omissions.leave_out(
                "append", f"a series has numbers, texts or images, not {type(value).__qualname__}"
            )
        elif self._is_of(path, "String Series"):
            self._lines(path, [str(number)])
        else:
            self._point(path, number, step)

    def extend(self, path: str, values: Any, steps: Any = None, timestamps: Any = None) -> None:
        """Append several values, or with a mapping several values to each of several series."""
        if isinstance(values, StringifyValue):
            values = values.value
        if isinstance(values, Mapping):
            for key, items in values.items():
                self.extend(f"{path}/{key}" if path else str(key), items, steps, timestamps)
            return
        if isinstance(values, str) or not isinstance(values, Iterable):
            self._omissions.leave_out("extend", f"values must be a collection, got {type(values).__qualname__}")
            return
        items, places = list(values), [] if steps is None else list(steps)
        if steps is not None and len(places) != len(items):
            self._omissions.leave_out("extend", "steps are not as many as values: the others get the next ones")
        if timestamps is not None:
            self._omissions.leave_out("extend", _NO_TIMES)
        if items and all(isinstance(item, str) for item in items):
            self._lines(path, items)
            return
        for item, step in zip(items, chain(places, repeat(None)), strict=False):
            self.append(path, item, step)

    def _point(self, path: str, value: float, step: Any) -> None:
        field = self._fields.series(path, "Float Series")
        place = self._next(field, step)
        field.value = value
        with self._omissions.attempt("append"):
            self._run.log_metric(path, value, place)

    def _lines(self, path: str, texts: list[str]) -> None:
        """Record texts as lines that begin with the path, as an import does: the streams of lines are fixed."""
        if self._is_of(path, "Float Series"):
            self._omissions.leave_out("append", "a series of numbers has no texts")
            return
        self._fields.series(path, "String Series").value = texts[-1]
        lines = [f"{path}: {line}" for text in texts for line in text.removesuffix("\n").split("\n")]
        with self._omissions.attempt("append"):
            self._run.log_lines(lines)

    def _is_of(self, path: str, kind: str) -> bool:
        field = self._fields.get(path)
        return field is not None and field.kind == kind

    def _next(self, field: Field, step: Any) -> int:
        """The step of a value: the given one, rounded down, or the one after the last."""
        number = None if step is None else number_of(step)
        with self._lock:
            if number is None or not -LARGEST_STEP <= number <= LARGEST_STEP:
                place = field.step + 1
            else:
                place = math.floor(number)
            field.step = place
        if step is not None and place != number:
            self._omissions.leave_out("append", "steps are whole numbers: others are rounded down")
        return place
