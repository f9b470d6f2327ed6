"""Runs whose calls are made at times that a test chooses."""

import os
import time
from collections.abc import Iterator
from unittest import mock

import pytest

import multitrack
from multitrack.journal import writer
from multitrack.recording import builder


class Clock:
    """Stands in for the module ``time`` where a run takes the times of its records.

    Attributes:
        ms: The time, in milliseconds since the epoch.
    """

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def time_ns(self) -> int:
        return self.ms * 1_000_000

    def time(self) -> float:
        return self.ms / 1000

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    with mock.patch.object(writer, "time", clock), mock.patch.object(builder, "time", clock):
        yield clock


@pytest.fixture
def zone() -> Iterator[None]:
    """Berlin's time, in which the clock was put back at 1:00 UTC on 2023-10-29, and forward on 2024-03-31."""
    with mock.patch.dict(os.environ, TZ="CET-1CEST,M3.5.0,M10.5.0/3"):
        time.tzset()
        yield
    time.tzset()


def start(name: str, **more: object) -> multitrack.Run:
    return multitrack.start_run("shop", name, config={"delivery": "off"}, **more)  # type: ignore[arg-type]
