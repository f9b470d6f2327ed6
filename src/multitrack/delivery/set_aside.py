"""Save which records a tracker will never accept, by ordinal and with the reason, and count them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from multitrack.delivery.lane_state import REASONS, LaneState, lane_file
from multitrack.journal.prepared import prepared


class Aside(msgspec.Struct, frozen=True):
    """A record that was set aside; a line of ``lanes/<backend>.aside.jsonl``."""

    ordinal: int
    reason: str


def keep_asides(directory: Path, backend: str, asides: Mapping[int, str]) -> None:
    """Append the records set aside by the lane of ``backend``: reasons by ordinal."""
    lines = b"".join(msgspec.json.encode(Aside(*item)) + b"\n" for item in sorted(asides.items()))
    path = lane_file(directory, backend, ".aside.jsonl")
    with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "a+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        cut = file.read() not in {b"", b"\n"}  # the last line, by a kill or a full disk
        file.write(b"\n" + lines if cut else lines)


def read_asides(directory: Path, backend: str) -> dict[int, str]:
    """Read the records set aside so far: reasons by ordinal."""
    try:
        lines = lane_file(directory, backend, ".aside.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    asides = {}
    for line in lines:
        with contextlib.suppress(ValueError):  # a cut line: the lane's position was not saved either
            aside = msgspec.json.decode(line, type=prepared(Aside))
            asides[aside.ordinal] = aside.reason
    return asides


def count_asides(directory: Path, state: LaneState) -> None:
    """Set the counts of a state to the records set aside below its position."""
    reasons = [why for ordinal, why in read_asides(directory, state.backend).items() if ordinal < state.position]
    state.set_aside, state.reasons = len(reasons), count_reasons(reasons)


def count_reasons(reasons: Iterable[str], before: Mapping[str, int] | None = None) -> dict[str, int]:
    """Count reasons, added to the counts ``before``; beyond :data:`REASONS` different ones, as "other reasons"."""
    counts = dict(before or {})
    for reason in reasons:
        key = reason if reason in counts or len(counts) < REASONS else "other reasons"
        counts[key] = counts.get(key, 0) + 1
    return counts
