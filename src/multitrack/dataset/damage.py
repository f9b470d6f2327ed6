"""Files of a data set that are missing or damaged: how that is noticed, and how it is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from multitrack.dataset.manifest import if_damaged
from multitrack.dataset.stores import Store
from multitrack.errors import ExportError, MultitrackError


@contextlib.contextmanager
def reading(name: str, location: str) -> Iterator[None]:
    """Raise an error in reading a part of a data set as one that names both and how to mend it.

    Errors come from PyArrow, DuckDB, deltalake and fsspec, and are of any class.

    Args:
        name: Names the part: a file's path, or a table.
        location: The data set.

    Raises:
        ExportError: Instead of the error.
    """
    try:
        yield
    except (MultitrackError, ImportError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0].strip() or type(error).__name__  # deltalake adds a backtrace
        raise ExportError(f"cannot read {name}: {reason}; {if_damaged(location)}") from error


def check_files(store: Store, expected: Mapping[str, int | None]) -> None:
    """Check that files are there, with their sizes.

    Args:
        store: The data set.
        expected: The size of each file (bytes); None if it is not known.

    Raises:
        ExportError: If one is missing or has another size.
    """
    there: dict[str, int] = {}
    for folder in {path.partition("/")[0] for path in expected}:
        there |= {f"{folder}/{path}": size for path, size in store.sizes(folder).items()}
    for path, size in expected.items():
        if path not in there:
            trouble = "is missing"
        elif size is not None and there[path] != size:
            trouble = f"has {there[path]:,} bytes instead of {size:,}"
        else:
            continue
        raise ExportError(f"{store.uri(path)} {trouble}: delete {store.location} and export again")
