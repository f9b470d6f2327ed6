"""Convert values for MLflow: params to text, metrics to doubles, with stand-ins for numbers that are not doubles."""

from __future__ import annotations

import math
from typing import Any, Final

#: Maximum length of a param and of a tag, in characters (mlflow/utils/validation.py).
PARAM_LENGTH: Final = 6000
TAG_LENGTH: Final = 8000
#: Largest integer up to which a double, and so MLflow, holds every integer exactly.
EXACT: Final = 2**53
#: The double that MLflow's databases have for infinity.
LARGEST: Final = 1.7976931348623157e308


def param_text(value: Any) -> str:
    """Return a param as text: ``str`` of a scalar, JSON of a list."""
    if not isinstance(value, (list, dict)):
        return str(value)
    import json  # noqa: PLC0415 - for the courier; the training process imports this module, too

    return json.dumps(value, ensure_ascii=False)


def double(value: float) -> float:
    """Return the nearest double; ±inf for an integer beyond the largest double."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class ExactNumbers:
    """Numbers that MLflow's doubles cannot hold, or that MLflow has for others.

    Attributes:
        tags: The stand-ins, as tags.
        stand_ins: Messages about them for the report.
    """

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.stand_ins: set[str] = set()

    def look(self, name: str, value: float, step: int, time: int, at: tuple[int, int]) -> None:
        """Note a value that MLflow would alter.

        Args:
            name: The metric's name.
            value: The value.
            step: Its step.
            time: Its time; with the step, it tells the point from others that MLflow rounds to the same number.
            at: The ordinal of its record, and its index in that record.
        """
        if isinstance(value, float) and math.isinf(value):
            self.tags["multitrack.infinity"] = "±1.7976931348623157e308 in a metric stands for ±inf"
            self.stand_ins.add(f"metric {name}: ±inf is ±1.7976931348623157e308 in MLflow (tag multitrack.infinity)")
        elif abs(value) == LARGEST if isinstance(value, float) else abs(value) > EXACT:
            import json  # noqa: PLC0415 - see above

            self.tags[f"multitrack.exact.{at[0]}.{at[1]}"] = json.dumps(
                {"metric": name, "step": step, "value": str(value), "time": time}
            )
            if not isinstance(value, float):  # MLflow has that number, but also for infinity
                self.stand_ins.add(
                    f"metric {name}: integers beyond 2**53 are rounded in MLflow, exact in tags multitrack.exact.*"
                )
