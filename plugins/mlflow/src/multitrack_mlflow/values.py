"""Values as MLflow holds them: params as text, metrics as doubles, and what stands for a number that no double is."""

from __future__ import annotations

import json
import math
from typing import Any, Final

#: Characters of a param and a tag (mlflow/utils/validation.py).
PARAM_LENGTH: Final = 6000
TAG_LENGTH: Final = 8000
#: The largest integer that a double, and so MLflow, holds exactly.
EXACT: Final = 2**53


def param_text(value: Any) -> str:
    """A param as MLflow's text: like ``str`` for scalars, JSON for lists."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def double(value: float) -> float:
    """The nearest double; ±inf for an integer beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class ExactNumbers:
    """Numbers that MLflow's doubles cannot hold.

    Attributes:
        tags: What stands for them.
        stand_ins: The report's sentences on that.
    """

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.stand_ins: set[str] = set()

    def look(self, name: str, value: float, step: int, ordinal: int, place: int) -> None:
        """Note a value if MLflow will alter it.

        Args:
            name: The metric.
            value: The value.
            step: Its step.
            ordinal: The number of its record.
            place: Its place in that record.
        """
        if isinstance(value, float):
            if math.isinf(value):
                self.tags["multitrack.infinity"] = "±1.7976931348623157e308 in a metric stands for ±inf"
                self.stand_ins.add(
                    f"metric {name}: ±inf is ±1.7976931348623157e308 in MLflow (tag multitrack.infinity)"
                )
        elif abs(value) > EXACT:
            self.tags[f"multitrack.exact.{ordinal}.{place}"] = json.dumps(
                {"metric": name, "step": step, "value": str(value)}
            )
            self.stand_ins.add(
                f"metric {name}: integers beyond 2**53 are rounded in MLflow, exact in tags multitrack.exact.*"
            )
