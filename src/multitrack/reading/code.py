"""Read the files of a run's source."""

from __future__ import annotations

from pathlib import Path

from multitrack.errors import JournalError
from multitrack.journal.layout import cannot_read, check_links
from multitrack.journal.provenance import CODE, FILES, LARGEST, read_regular


def read_code(directory: Path, name: str) -> bytes | None:
    """Read a file of the source in a run's directory.

    Args:
        directory: The run's directory.
        name: One of :data:`multitrack.journal.provenance.FILES`.

    Returns:
        The content; None if there is none.

    Raises:
        ValueError: If the name is another one.
        JournalError: If the file cannot be read, or multitrack did not write it: a link, or a larger file.
    """
    if name not in FILES:
        raise ValueError(f"no file of a run's code is called {name!r}; known: {', '.join(FILES)}")
    path = directory / CODE / name
    check_links(path.parent)
    try:
        return read_regular(path, LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:
        raise JournalError(f"cannot read {path}: {error}") from error
