"""What readers rely on: within a segment, times never go back."""

from pathlib import Path

from multitrack.journal import encoding


def assert_times_rise(journal: Path) -> None:
    segments = list(journal.glob("runs/*/*.jsonl"))
    assert segments
    for path in segments:
        times = [encoding.decode(line).time for line in path.read_bytes().splitlines()]
        assert times
        assert times == sorted(times), path
