"""``run.log``: rows of the history, with W&B's rules for steps."""

from __future__ import annotations

import fnmatch
import math
import threading
from collections.abc import Mapping
from typing import Any

from multitrack.compat.numbers import number_of
from multitrack.compat.omissions import Omissions
from multitrack.compat.wandb.data_types import Media, content_of, media_of
from multitrack.compat.wandb.run_summary import Summary, flat
from multitrack.compat.written_files import write_file
from multitrack.inputs.prepare import LARGEST_STEP
from multitrack.recording.run import Run

#: Columns that W&B itself has in each row.
_OWN = frozenset({"_step", "_timestamp", "_runtime"})


class History:
    """The history of a run.

    Each call is recorded at once, under the step that its row will have. W&B keeps a row until it is complete, and
    loses the last one in a crash.

    Args:
        run: The run to record into.
        summary: Notes the last values.
        omissions: Counts what cannot be recorded.
        step: The first step.

    Attributes:
        step: The step of the row that the next call adds to.
    """

    def __init__(self, run: Run, summary: Summary, omissions: Omissions, step: int) -> None:
        self.step = step
        self._run = run
        self._summary = summary
        self._omissions = omissions
        self._axes: dict[str, str] = {}
        self._last: dict[str, float] = {}  # last values of axes
        self._row: set[str] = set()
        self._lock = threading.RLock()

    def set_axis(self, name: str, axis: str) -> None:
        """Note the metric that counts the steps of another one, or of those that match a pattern."""
        self._axes[name] = axis

    def log(self, data: Any, step: Any, commit: bool | None) -> None:
        """Add values to the row of a step.

        Args:
            data: The values by name.
            step: The row; default: the current one. An earlier row cannot be changed any more.
            commit: True to go on to the next row; default: if no step is given.
        """
        if not isinstance(data, Mapping):
            self._omissions.leave_out("log", f"a mapping is needed, got {type(data).__qualname__}")
            return
        with self._lock:
            if step is None:
                commit = commit is None or commit
            elif not self._go_to(step):
                return
            with self._omissions.attempt("log"):
                self._add(data)
            if commit:
                self.step += 1
                self._row.clear()

    def _go_to(self, step: Any) -> bool:
        number = number_of(step)
        if number is None or not -LARGEST_STEP <= number <= LARGEST_STEP:
            self._omissions.leave_out("log", "a step must be a whole number")
            return False
        place = math.floor(number)
        if place != number:
            self._omissions.leave_out("log", "steps are whole numbers: others are rounded down")
        if place < self.step:
            self._omissions.leave_out("log", "a step before the current one is dropped, as W&B does")
            return False
        if place > self.step:
            self.step = place
            self._row.clear()
        return True

    def _add(self, data: Mapping[Any, Any]) -> None:
        numbers: dict[str, float] = {}
        for key, value in flat(data):
            if key in _OWN:
                continue
            number = number_of(value)
            if number is None:
                self._add_other(key, value)
            else:
                numbers[key] = int(number) if isinstance(number, bool) else number
        self._add_axes(numbers)
        self._row.update(numbers)
        if numbers:
            self._summary.observe(numbers)
            try:
                self._run.log_metrics(numbers, step=self.step)
            except (TypeError, ValueError):  # one has no form in a journal: the others are recorded
                for key, number in numbers.items():
                    with self._omissions.attempt("log"):
                        self._run.log_metric(key, number, step=self.step)

    def _add_axes(self, numbers: dict[str, float]) -> None:
        """Add the last values of axes that the row lacks, as W&B does."""
        if not self._axes:
            return
        axes = {axis for name in numbers if (axis := self._axis(name)) is not None}
        for axis in axes - numbers.keys() - self._row:
            if axis in self._last:
                numbers[axis] = self._last[axis]
        watched = set(self._axes.values())
        self._last.update({name: value for name, value in numbers.items() if name in watched})

    def _axis(self, name: str) -> str | None:
        exact = self._axes.get(name)
        if exact is not None:
            return exact
        return next((axis for pattern, axis in self._axes.items() if fnmatch.fnmatchcase(name, pattern)), None)

    def _add_other(self, key: str, value: Any) -> None:
        """Record what is no number: a text, a file, or several files."""
        if isinstance(value, str):
            self._summary.update({key: value})
            self._run.log_lines([f"{key}: {line}" for line in value.split("\n")])
            return
        several = value if isinstance(value, (list, tuple)) and value and isinstance(value[0], Media) else None
        if several is None and (isinstance(value, (list, tuple, bytes)) or (media := media_of(value)) is None):
            self._omissions.leave_out("log", f"a series has numbers, texts or files, not {type(value).__qualname__}")
            return
        for number, each in enumerate([media] if several is None else several):
            name = f"{key}/{self.step}" + ("" if several is None else f"_{number}")
            refer_to_media(self._run, self._omissions, name, each)


def refer_to_media(run: Run, omissions: Omissions, name: str, media: Media) -> None:
    """Record the file of a value, which is written beside the run if it is not on disk."""
    with omissions.attempt("log"):
        path = media.path
        if path is None:
            content = content_of(media)
            if content is None:
                omissions.leave_out("log", f"frames and samples of {type(media).__qualname__} need a file")
                return
            path = write_file(run, f"media/{name}", content, media.suffix)
        if path is not None:
            run.log_artifact_ref(name, path, media.kind)
