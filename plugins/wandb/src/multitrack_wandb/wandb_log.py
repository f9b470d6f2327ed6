"""Count the SDK's records in ``.wandb`` files: the SDK does not report a full disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, NamedTuple

from multitrack_wandb.log_format import fields, has_header, records

# Fields of a record: the kinds that are counted.
_HISTORY, _OUTPUT_RAW, _EXIT, _OUTPUT_LOGGER = 2, 13, 18, 27
_EXIT_CODE: Final = 1
#: Timeout in seconds for the helper process to write its last records.
_FAREWELL: Final = 10.0
_LOOK_EVERY: Final = 0.02


class Tally(NamedTuple):
    """Counts of a ``.wandb`` file.

    Attributes:
        rows: Rows of the history.
        texts: Texts of the logs.
        exit_code: The run's exit code; None if it is not finished.
    """

    rows: int
    texts: int
    exit_code: int | None


def tally_finished(directory: Path) -> Tally | None:
    """Count the records in a finished run's file; return None if its format is unknown.

    The helper process writes the last records a moment after ``finish`` has returned; this function waits for them.
    """
    deadline = time.monotonic() + _FAREWELL
    while (found := tally(directory)) is not None and found.exit_code is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    return found


def tally(directory: Path) -> Tally | None:
    """Count the records written so far to the ``.wandb`` file in ``directory``; None if its format is unknown."""
    rows = texts = 0
    exit_code = None
    for path in directory.glob("*.wandb"):
        if not has_header(path):
            return None
        for body in records(path):
            for field, value in fields(body):
                rows += field == _HISTORY
                texts += field in {_OUTPUT_RAW, _OUTPUT_LOGGER}
                if field == _EXIT and isinstance(value, bytes):
                    exit_code = next((code for key, code in fields(value) if key == _EXIT_CODE), 0)
    return Tally(rows, texts, exit_code if isinstance(exit_code, int) else None)
