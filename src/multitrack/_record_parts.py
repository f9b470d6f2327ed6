"""Parts of records: statuses, params, versions of models (docs/models.md), removed values (docs/journal.md), numbers.

Numbers that JSON has no form for, NaN, ±inf and integers beyond 2⁵³ are JSON strings,
because jq and JavaScript would read them as null or round them.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, get_args

import msgspec

_EXACT: Final = 2**53
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

#: The status of a run.
Status = Literal["running", "finished", "failed", "killed"]
#: Every status.
STATUSES: Final = get_args(Status)
#: Source of params from an ``argparse.Namespace``.
COMMAND_LINE: Final = "command line"
#: Source of params that the Keras callback and the tuners read from a fit or a search; the code determines them.
KERAS: Final = "keras"
#: Source of a trial's hyperparameters.
KERAS_TUNER: Final = "keras tuner"
#: Prefix of the metrics and references that a comparison of inputs records (:mod:`multitrack.drift`).
DRIFT: Final = "drift/"
#: The ``call`` of a mistake that stands for a gap of an import.
IMPORT: Final = "import"

#: The type that a param had in Python.
ParamType = Literal["float", "int", "bool", "str", "none", "list"]


class ObjectText(msgspec.Struct, frozen=True, omit_defaults=True):
    """Details of a param that was logged as an object without a plain form, and stored as text.

    Attributes:
        type: The object's type, with the module.
        whole: The whole text, if the param's value is only the beginning of it.
    """

    type: str
    whole: str | None = None


class Versioning(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a model gets its version at the run's end (docs/models.md).

    Attributes:
        objective: The metric by which versions are compared: ``val_accuracy``, ``val_loss:min``. None: no metric.
        version: ``MAJOR.MINOR.PIPELINE`` that the caller gave; None for the next one by rule.
    """

    objective: str | None = None
    version: str | None = None


class ModelVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version of a model: a reference that a run wrote, with its number.

    Attributes:
        name: The model; the reference's name.
        version: ``MAJOR.MINOR.PIPELINE``.
        uri: Location of the model.
        digest: ``sha256:<hex>`` of a local file, if known.
        size: Size in bytes, if known.
        reasons: One sentence for each reason of the number.
    """

    name: str
    version: str
    uri: str
    digest: str | None = None
    size: int | None = None
    reasons: list[str] = []


class Digest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Figures of the values that one metric had in a window of time.

    ``sum``, ``min``, ``max``, ``values`` and the bins are of the finite values, as doubles.

    Attributes:
        count: Number of all values.
        last: The last value, as in the journal.
        broken: Number of values that are not finite.
        sum: Their sum, correctly rounded; an integer, as text, if a double would overflow.
        min: The smallest; None if there is none.
        max: The largest.
        values: Each different value and its number, in order, if there are few; None if there are more.
        bins: A DDSketch with a relative accuracy of 1 % otherwise: the number of positive values by bin.
        negative: The number of negative values, by the bin of their absolute value.
    """

    count: int
    last: int | float | str
    broken: int = 0
    sum: int | float | str = 0.0
    min: float | None = None
    max: float | None = None
    values: list[tuple[float, int]] | None = None
    bins: dict[int, int] = {}
    negative: dict[int, int] = {}


def number_to_json(value: float) -> int | float | str:
    """Convert a number to its form in the journal: unchanged, or a string if JSON readers would alter it."""
    if type(value) is float:
        if math.isfinite(value):
            return value
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value if -_EXACT <= value <= _EXACT else str(value)


def number_from_text(text: str) -> int | float:
    """Convert a number string of the journal back to a number.

    Raises:
        ValueError: If the text is not NaN, Infinity, -Infinity or an integer.
    """
    special = _SPECIAL.get(text)
    return int(text) if special is None else special


def number_of(value: float | str) -> int | float:
    """Convert a value of the journal, a number or a number string, to a number.

    Raises:
        ValueError: As :func:`number_from_text`.
    """
    return number_from_text(value) if isinstance(value, str) else value


def typed_param(value: Any, kind: ParamType | None) -> Any:
    """Convert a param's JSON value to the Python type it was logged with.

    Args:
        value: The value in the journal.
        kind: The recorded type, or ``None`` if none was recorded.
    """
    if isinstance(value, str) and kind in {"float", "int"}:
        return number_from_text(value)
    return float(value) if kind == "float" else value
