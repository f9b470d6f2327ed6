"""Extract the numbers from Keras' logs: scalars, and small arrays and mappings as one name per number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import numpy as np

from multitrack.inputs.values import Number, as_array, to_number
from multitrack.keras.guard import put_aside
from multitrack.recording.run import Run

#: Maximum of numbers per metric. A larger result belongs in a list metric or a file.
MOST: Final = 100


def log_numbers(run: Run, logs: Any, step: int | None, caller: str = "TrackingCallback") -> None:
    """Record the numbers in ``logs`` as one record. Set aside each invalid value on its own.

    Args:
        run: The run to record into.
        logs: Values by name. An array, list or mapping becomes ``name/0``, ``name/1``, … or ``name/key``, in several
            dimensions ``name/0/1``.
        step: The step of all numbers, or ``None`` for simple metrics.
        caller: Name of the caller in errors that are set aside.
    """
    if run.disabled or logs is None:
        return
    numbers, troubles = numbers_in(logs)
    kind: Literal["simple", "series"] = "simple" if step is None else "series"
    for name in list(numbers):
        try:
            run.integration.check_kind(name, kind)  # one by one: a single list metric would cost all the others
        except Exception as error:  # noqa: BLE001 - see above
            del numbers[name]
            troubles.append((name, error))
    for name, trouble in troubles:  # by name, since each name is logged once
        put_aside(run, f"{caller}: {name}" if name else caller, trouble)
    run.log_metrics(numbers, step)


def numbers_in(logs: Any) -> tuple[dict[str, Number], list[tuple[str, Exception]]]:
    """Return all numbers in ``logs`` by name, and the errors of the other values with their metrics' names."""
    if not isinstance(logs, Mapping):
        return {}, [("", TypeError(f"logs must be a mapping of names to numbers, got {type(logs).__name__}"))]
    # Keras converts nearly everything to float. A float metric takes precedence over a part of another metric.
    numbers: dict[str, Number] = {name: value for name, value in logs.items() if type(value) is float}
    troubles: list[tuple[str, Exception]] = []
    for name, value in logs.items():
        if type(value) is float:
            continue
        found = _Found(name)
        try:
            found.take(name, value)
            if taken := [one for one in found.numbers if one in numbers]:
                raise ValueError(f"two metrics are called {taken[0]!r}; give one of them another name")
        except Exception as error:  # noqa: BLE001 - a user's object must not cost the other metrics
            troubles.append((_text(name), error))
        else:
            numbers.update(found.numbers)
            troubles += [(_text(name), error) for error in found.troubles]
    return numbers, troubles


def _text(name: Any) -> str:
    return name if isinstance(name, str) else ""


class _Found:
    """The numbers of one metric."""

    def __init__(self, metric: Any) -> None:
        self.numbers: dict[str, Number] = {}
        self.troubles: list[Exception] = []
        self._metric = metric

    def take(self, name: Any, value: Any) -> None:
        """Take in a number, or a container of numbers.

        Raises:
            ValueError: The metric has no number, or more than :data:`MOST`.
        """
        if isinstance(value, Mapping):
            self._take_each(name, len(value), value.items())
        elif isinstance(value, (list, tuple)):
            self._take_each(name, len(value), enumerate(value))
        elif (array := as_array(value)) is not None and array.size != 1:
            items = (("/".join(map(str, index)), item) for index, item in np.ndenumerate(array))
            self._take_each(name, array.size, items)
        else:
            try:
                self.numbers[name] = to_number(value, name)
            except (TypeError, ValueError, OverflowError) as error:
                self.troubles.append(error)

    def _take_each(self, name: Any, count: int, items: Iterable[tuple[Any, Any]]) -> None:
        if not count:
            raise ValueError(f"metric {name!r} has no number")
        if count + len(self.numbers) > MOST:
            raise ValueError(
                f"metric {self._metric!r} has more than the {MOST} numbers that are recorded of one metric: reduce it "
                "where it is made, as F1Score(average='macro') does, or record it yourself, in a callback with "
                f"multitrack.active_run().log_list_metric({self._metric!r}, ...) or as a file with log_artifact_ref"
            )
        for key, item in items:
            self.take(f"{name}/{key}", item)
