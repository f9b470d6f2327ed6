"""Text in MLflow's artifacts: values that are too long for their field, and log lines.

MLflow can only write a text artifact whole. So lines go to files of :data:`CHUNK` lines each, and only the last file is
written again. A courier that restarts in the middle of a file reads it back first.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from multitrack.errors import RetryableError
from multitrack.records import Lines

CHUNK: Final = 1000
"""Lines per file."""
_LINE: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z \w+ ")


def pointer(path: str, text: str) -> str:
    """Return the stand-in for a text that is too long: its length, digest and artifact path."""
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{len(text)} characters, sha256 {digest}: artifact {path}"


def shown_line(time: int, stream: str, text: str) -> str:
    """Format a line for the artifact: UTC time, stream, text."""
    stamp = datetime.datetime.fromtimestamp(time / 1000, datetime.UTC).isoformat(timespec="milliseconds")
    return f"{stamp.replace('+00:00', 'Z')} {stream} {text}"


class LineFiles:
    """The line files of one run.

    Args:
        client: MLflow's client.
        run_id: MLflow's id of the run.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._number = -1
        self._lines: list[str] = []

    def write(self, records: Sequence[Lines]) -> None:
        """Write the lines of these records. Writing the same lines again changes nothing."""
        for record in records:
            for i, text in enumerate(record.lines):
                number, place = divmod(record.index + i, CHUNK)
                if number != self._number or place > len(self._lines):
                    self._go_to(number, place)
                del self._lines[place:]
                self._lines.append(shown_line(record.time, record.stream, text))
        self._save()

    def _go_to(self, number: int, place: int) -> None:
        self._save()
        self._number = number
        self._lines = self._read_back(place) if place else []

    def _save(self) -> None:
        if self._number >= 0 and self._lines:
            self._client.log_text(self._run_id, "\n".join(self._lines) + "\n", line_file(self._number))

    def _read_back(self, count: int) -> list[str]:
        import tempfile  # noqa: PLC0415 - for the courier; the training process does not need it

        with tempfile.TemporaryDirectory() as scratch:
            try:
                path = self._client.download_artifacts(self._run_id, line_file(self._number), scratch)
            except Exception as error:
                # MLflow hides the cause, and says the same of an artifact that does not exist.
                name = line_file(self._number)
                if any(one.path == name for one in self._client.list_artifacts(self._run_id, "logs")):
                    raise RetryableError(f"the server lists artifact {name}, and does not return it") from error
                raise
            with Path(path).open(encoding="utf-8", newline="") as file:  # keeps a lone carriage return
                lines = file.read().split("\n")[:count]
        if len(lines) < count or not all(_LINE.match(line) for line in lines):
            # Continuing would overwrite the artifact with this content.
            raise RetryableError(f"the server returned unexpected content for artifact {line_file(self._number)}")
        return lines


def line_file(number: int) -> str:
    """Return the path of the artifact with the lines from ``number`` × :data:`CHUNK` on."""
    return f"logs/lines-{number * CHUNK:08}.txt"
