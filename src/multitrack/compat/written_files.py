"""Files that stand for objects, such as images: written into the run's directory, and recorded as references."""

from __future__ import annotations

from pathlib import Path

from multitrack.journal.run_files import run_file, write_run_file
from multitrack.recording.run import Run


def write_file(run: Run, name: str, content: bytes | str, suffix: str = "") -> Path | None:
    """Write a file into the run's directory; a file of the same name is replaced.

    Args:
        run: The run.
        name: Name of the object; ``/`` makes folders.
        content: The content.
        suffix: End of the file's name, such as ``.png``.

    Returns:
        The file's path; None if the run records nothing.

    Raises:
        OSError: If it cannot be written.
    """
    if run.directory is None:
        return None
    path = run_file(run.directory, name, suffix)
    write_run_file(path, content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
    return path
