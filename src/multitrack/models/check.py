"""Check that the file of a version is still the one that was recorded."""

from __future__ import annotations

from multitrack.inputs.references import digest_of
from multitrack.models.versions import Version


def difference_of(version: Version) -> str | None:
    """Say how the file of a version differs from the recorded one; None if its digest is the same.

    Reads the whole file or directory.
    """
    if version.path is None:
        return "only local files can be verified"
    if version.digest is None:
        return "no digest was recorded"
    try:
        digest, _ = digest_of(version.path)
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return None if digest == version.digest else f"its digest is {digest} now, and was {version.digest}"
