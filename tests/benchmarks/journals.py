"""Journals of any size, written in bulk in the journal's own format: what a recording call would take hours for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nulls import NAMES

#: Records that share a millisecond, as in a tight loop; and how many are written at once.
_A_MILLISECOND = 100
_BLOCK = 10_000


def config(delivery: str = "off") -> dict[str, object]:
    return {"delivery": delivery, "journal": str(Path("journal").absolute()), "interval": 0.05}


def recorded(records: int, keys: int = 1, names: int = 4) -> Path:
    """An ended run of so many records; its directory.

    Args:
        records: How many.
        keys: Metrics in each.
        names: How many different metrics there are.
    """
    import multitrack
    from multitrack.journal.segments import segment_path

    run = multitrack.start_run("bench", config=config(), backends=[NAMES[0]])
    assert run.directory is not None
    began = time.time_ns() // 1_000_000 - records // _A_MILLISECOND - 1000
    with segment_path(run.directory, 1).open("a") as file:
        for first in range(0, records, _BLOCK):
            file.write("".join(_line(i, began, keys, names) for i in range(first, min(first + _BLOCK, records))))
    run.end()
    return run.directory


def _line(i: int, began: int, keys: int, names: int) -> str:
    values = ",".join(f'"metric_{(i + key) % names}":0.{1234567 + i}' for key in range(keys))
    return f'{{"record":"metric","time":{began + i // _A_MILLISECOND},"values":{{{values}}},"step":{i // names}}}\n'


def delivered(count: int, *, pending: bool = False) -> Path:
    """A journal of so many runs of 10 records, all delivered unless ``pending``: one real run and its copies."""
    import multitrack
    from multitrack.delivery.lane import Lane

    run = multitrack.start_run("bench", config=config(), backends=[NAMES[0]], params={"lr": 0.001})
    directory: Any = run.directory
    for step in range(9):
        run.log_metric("loss", 1 / (step + 1), step=step)
    multitrack.recording.lifecycle.join_context(run)
    run.end()
    if not pending:
        lane = Lane(directory, run.manifest.backends[0], options={}, notice=print)
        while not lane.done:
            lane.step()
        lane.release()
    files = [(path.relative_to(directory), path.read_text()) for path in directory.rglob("*") if path.is_file()]
    for i in range(1, count):
        copy = f"{run.id[:-6]}{i:06}"
        target = directory.with_name(copy)
        (target / "lanes").mkdir(mode=0o700, parents=True)
        for path, text in files:
            (target / path).parent.mkdir(mode=0o700, exist_ok=True)
            (target / path).write_text(text.replace(run.id, copy))
    return Path("journal")


def ended(count: int, points: int) -> Path:
    """A journal of so many ended runs of so many points, of two metrics: one real run, and its copies.

    A copy has a manifest of its own, and shares the segment's file: nobody writes it any more.
    """
    import multitrack

    params = {"lr": 0.001, "batch_size": 32, "optimizer": "adam", "model": {"units": 64, "dropout": 0.2}}
    run = multitrack.start_run("bench", config=config(), params=params, tags={"stage": "prod"})
    directory: Any = run.directory
    for step in range(max(1, points // 2)):
        run.log_metrics({"loss": 1 / (step + 1), "val_loss": 1.5 / (step + 1)}, step=step)
    run.log_metric("accuracy", 0.93)
    multitrack.recording.lifecycle.join_context(run)
    run.end()
    manifest = (directory / "manifest.json").read_text()
    for i in range(1, count):
        copy = f"{run.id[:-6]}{i:06}"
        target = directory.with_name(copy)
        target.mkdir(mode=0o700)
        (target / "manifest.json").write_text(manifest.replace(run.id, copy))
        (target / "000001.jsonl").hardlink_to(directory / "000001.jsonl")
    return Path("journal")
