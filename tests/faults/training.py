"""The training process that is killed: logs without end, and notes each call before and after it.

    python training.py '{"run_id": …, "config": {…}, "seed": 1, "first": 0, …}'

The notes are lines of JSON, one write(2) each, so that they survive the kill as the journal does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import calls
import multitrack


class Notes:
    """What has begun and what has returned, for whoever outlives this process."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @contextmanager
    def of(self, what: int | str) -> Iterator[None]:
        """Note that ``what`` begins, and that it has returned."""
        self._write({"begun": what})
        yield
        self._write({"returned": what})

    def _write(self, note: dict[str, Any]) -> None:
        line = json.dumps({**note, "time": time.time_ns() // 1_000_000}).encode() + b"\n"
        assert os.write(self._fd, line) == len(line)


def main(plan: dict[str, Any]) -> None:
    notes = Notes(plan["notes"])
    first = plan["first"]
    with notes.of("start"):
        run = multitrack.start_run(
            "kills", "killed", run_id=plan["run_id"], config=plan["config"], params=calls.PARAMS,
            tags=calls.start_tags(first),
        )  # fmt: skip
    stop = Path(plan["stop"])
    n = first
    while not stop.exists():
        call = calls.call(plan["seed"], n, long_at=plan["long_at"])
        with notes.of(n):
            call.make(run)
        n += 1
        time.sleep(plan["pause"] if n < first + plan["most"] else 0.2)  # on a slow machine it would become too many
    with notes.of("end"):
        run.end()
    # Leave as a training does, through the interpreter's exit.


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
