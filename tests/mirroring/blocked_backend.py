"""A backend whose tracker does not answer until the test lets it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from multitrack import hookimpl
from multitrack.hookspecs import Opened, RunInfo
from multitrack.records import Metric


class BlockedBackend:
    """Blocks in its first call with points.

    Attributes:
        blocks: Set once it does.
        answers: Set by the test.
        values: The points that were delivered.
    """

    name = "blocked"

    def __init__(self) -> None:
        self.blocks = threading.Event()
        self.answers = threading.Event()
        self.values: list[object] = []

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        return Opened(run.id)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> None:
        self.blocks.set()
        assert self.answers.wait(60)
        self.values += [value for record in records for value in record.values.values()]

    @hookimpl
    def flush(self, run: RunInfo) -> None:
        return None


backend = BlockedBackend()
