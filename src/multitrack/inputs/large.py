"""Convert small arrays and data frames of any library to params, and large ones to a short text.

As in :mod:`multitrack.inputs.values`, they are recognized by their type, and nothing is imported. Arrays on disk are
read only if they are small.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any, Final

from multitrack.inputs.values import as_array

#: Maximum number of elements of an array, a frame, or a sequence other than list, tuple or set that becomes a param; a
#: longer one becomes text.
LONGEST: Final = 10_000
#: Maximum number of columns of a frame that becomes a param; a wider one becomes text.
WIDEST: Final = 100

#: Types whose ``shape`` is known without reading the values: first those with their values in memory.
_IN_MEMORY: Final = (
    ("numpy", "ndarray"), ("numpy", "generic"), ("torch", "Tensor"), ("tensorflow", "Tensor"),
    ("tensorflow", "Variable"), ("jax", "Array"), ("keras", "Variable"),
)  # fmt: skip
_ELSEWHERE: Final = (
    ("h5py", "Dataset"), ("zarr", "Array"), ("dask.array", "Array"), ("netCDF4", "Variable"), ("xarray", "DataArray"),
)  # fmt: skip
_FRAMES: Final = (("pandas", "DataFrame"), ("polars", "DataFrame"))
_COLUMNS: Final = (("pandas", "Series"), ("pandas", "Index"))
#: Maximum number of rows and of columns in a frame's text.
_SHOWN: Final = 20


def is_one_of(kind: type, names: Iterable[tuple[str, str]]) -> bool:
    """Return True if a class is or derives from one of these (module, name) pairs; imports no module."""
    for module, name in names:
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type) and issubclass(kind, found):
            return True
    return False


def small_array(value: Any) -> Any:
    """Like :func:`~multitrack.inputs.values.as_array`, but None also for an array that is too large, and for a frame.

    Raises:
        Exception: As :func:`~multitrack.inputs.values.as_array`.
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
    """The text of a pandas frame or of an array that is too large for a param; None for everything else."""
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
    except Exception:  # noqa: BLE001 - libraries raise anything for a tensor without values
        return None


def frame_columns(value: Any) -> dict[Any, list[Any]] | None:
    """The columns of a small data frame, by name, including its index unless that is a range.

    None for everything else, also for a frame that is large, or has duplicate column names.
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
        except ValueError:  # a column already has the index's name
            return None
    if not value.columns.is_unique:
        return None
    return {name: value.iloc[:, place].tolist() for place, name in enumerate(value.columns)}


def column_items(value: Any) -> list[Any] | None:
    """The items of a small column or index of a data frame; None for everything else."""
    if is_one_of(type(value), _COLUMNS) and value.size <= LONGEST:
        return list(value.tolist())
    return None
