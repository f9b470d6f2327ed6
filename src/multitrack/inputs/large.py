"""Arrays and data frames of any library: which are too large for a param, and what is kept of these instead.

As in :mod:`multitrack.inputs.values`, they are told by their type, and nothing is imported. What has its values on a
disk is read only where it is small.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any, Final

from multitrack.inputs.values import as_array

#: Elements of a param's array, frame, or sequence that is no list, tuple or set, at most; a longer one is told by its
#: text.
LONGEST: Final = 10_000
#: Columns of a param's frame, at most; one with more is told by its text.
WIDEST: Final = 100

#: Whose ``shape`` is known without reading anything; first those whose values are in memory.
_IN_MEMORY: Final = (
    ("numpy", "ndarray"), ("numpy", "generic"), ("torch", "Tensor"), ("tensorflow", "Tensor"),
    ("tensorflow", "Variable"), ("jax", "Array"), ("keras", "Variable"),
)  # fmt: skip
_ELSEWHERE: Final = (
    ("h5py", "Dataset"), ("zarr", "Array"), ("dask.array", "Array"), ("netCDF4", "Variable"), ("xarray", "DataArray"),
)  # fmt: skip
_FRAMES: Final = (("pandas", "DataFrame"), ("polars", "DataFrame"))
_COLUMNS: Final = (("pandas", "Series"), ("pandas", "Index"))
#: Rows and columns of a frame's text.
_SHOWN: Final = 20


def is_one_of(kind: type, names: Iterable[tuple[str, str]]) -> bool:
    """Whether a class is one of these or derives from one, by module and name; of modules that are imported."""
    for module, name in names:
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type) and issubclass(kind, found):
            return True
    return False


def small_array(value: Any) -> Any:
    """As :func:`~multitrack.inputs.values.as_array`; ``None`` also for an array that is too large, and for a frame.

    Raises:
        Exception: As there.
    """
    kind = type(value)
    if issubclass(kind, type) or is_one_of(kind, _FRAMES):
        return None
    if is_one_of(kind, (*_IN_MEMORY, *_ELSEWHERE, *_COLUMNS)):
        shape = tuple(value.shape)
        if None not in shape and math.prod(shape) > LONGEST:
            return None
    array = as_array(value)
    return None if array is None or array.size > LONGEST else array


def large_text(value: Any) -> str | None:
    """The text of an array that is too large for a param, or of a frame; ``None`` for all else."""
    kind = type(value)
    if is_one_of(kind, _FRAMES[:1]):
        return str(value.to_string(max_rows=_SHOWN, max_cols=_SHOWN, show_dimensions=True))
    if issubclass(kind, type) or is_one_of(kind, (*_ELSEWHERE, *_FRAMES)):
        return None  # their repr is short
    try:
        array = as_array(value)
        if array is None or array.size <= LONGEST:
            return None
        numpy: Any = sys.modules["numpy"]
        dtype = value.dtype if is_one_of(kind, _IN_MEMORY) else array.dtype
        values = " ".join(numpy.array2string(array, threshold=LONGEST // 10).split())
        return f"{kind.__qualname__} of shape {tuple(array.shape)}, {getattr(dtype, 'name', dtype)}: {values}"
    except Exception:  # noqa: BLE001 - whatever a library raises for a tensor without values
        return None


def frame_columns(value: Any) -> dict[Any, list[Any]] | None:
    """The columns of a small data frame, by name, with its index where that says more than a row's number.

    ``None`` for all else, also for a frame that is large, or of whose columns two have one name.
    """
    kind = type(value)
    if not is_one_of(kind, _FRAMES):
        return None
    rows, width = value.shape
    if rows * width > LONGEST or width > WIDEST:
        return None
    if is_one_of(kind, _FRAMES[1:]):
        return {str(name): list(items) for name, items in value.to_dict(as_series=False).items()}
    if not isinstance(value.index, sys.modules["pandas"].RangeIndex):
        try:
            value = value.reset_index()
        except ValueError:  # a column has the index's name
            return None
    if not value.columns.is_unique:
        return None
    return {name: value.iloc[:, place].tolist() for place, name in enumerate(value.columns)}


def column_items(value: Any) -> list[Any] | None:
    """The items of a small column of a data frame, or of its index; ``None`` for all else."""
    if is_one_of(type(value), _COLUMNS) and value.size <= LONGEST:
        return list(value.tolist())
    return None
