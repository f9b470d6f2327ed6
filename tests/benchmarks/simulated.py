"""Journals of many ended runs, each with a manifest and records of its own, written through the project's encoder.

A recording call a point would take hours for a hundred million points.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: Series of a run; each call of ``log_metrics`` has a point of all.
SERIES = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")
_BEGAN = 1_760_000_000_000
#: Milliseconds between the starts of two runs, and between two calls of a run.
_APART, _CALL = 60_000, 250


def ended(count: int, points: int, *, place: str = "journal", first: int = 0) -> Path:
    """Write runs that have ended, and return the journal's directory.

    Args:
        count: How many runs.
        points: Points of all series of a run together.
        place: The journal's directory.
        first: Number of the first run, to add runs to a journal.
    """
    from multitrack.journal.atomic import write_json
    from multitrack.journal.layout import runs_directory
    from multitrack.journal.run_ids import text_of_time

    journal = Path(place).absolute()
    runs = runs_directory(journal)
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    pattern = _manifest()
    for i in range(first, first + count):
        created = _BEGAN + i * _APART
        run_id = f"{text_of_time(created)}-{i:06x}"
        directory = runs / run_id
        directory.mkdir(mode=0o700)
        write_json(directory / "manifest.json", pattern(run_id, created, i))
        (directory / "000001.jsonl").write_bytes(_segment(created, points, random.Random(i)))
    return journal


def resume(journal: Path, numbers: Iterable[int]) -> None:
    """Add some points to ended runs of :func:`ended`, each by a writer that has ended as well."""
    from multitrack.journal.layout import runs_directory
    from multitrack.journal.run_ids import text_of_time
    from multitrack.journal.writer import Writer
    from multitrack.records import End

    for i in numbers:
        directory = runs_directory(journal) / f"{text_of_time(_BEGAN + i * _APART)}-{i:06x}"
        writer = Writer(directory)
        for step in range(10):
            writer.append_metric({"loss": 0.5}, step)
        writer.append(End(time=writer.now(), status="finished"))
        writer.close()


def _manifest() -> Any:
    """A function that returns a run's manifest, with the context of a real run."""
    import msgspec

    import multitrack

    run = multitrack.start_run("bench", config={"delivery": "off", "journal": str(Path("pattern").absolute())})
    multitrack.recording.lifecycle.join_context(run)
    manifest = run.manifest
    run.end()

    def pattern(run_id: str, created: int, i: int) -> Any:
        named = {
            "id": run_id,
            "created": created,
            "name": f"run {i}",
            "project": f"project {i % 7}",
            "group": f"{i % 31}",
        }
        context = manifest.context and msgspec.structs.replace(manifest.context, pid=1000 + i % 30_000)
        return msgspec.structs.replace(manifest, context=context, **named)

    return pattern


def _segment(created: int, points: int, chance: random.Random) -> bytes:
    import msgspec

    from multitrack.journal.segments import host_name
    from multitrack.records import End, Metric, Params, Segment, Tags

    rate, units = 10 ** chance.uniform(-5, -1), chance.choice([32, 64, 128, 256])
    values = {
        "lr": rate, "batch_size": chance.choice([16, 32, 64]), "optimizer": chance.choice(["adam", "sgd"]),
        "seed": chance.randrange(10_000), "model/units": units, "model/dropout": round(chance.uniform(0, 0.5), 2),
    }  # fmt: skip
    kinds: Any = {name: type(value).__name__ for name, value in values.items()}
    steps = max(1, points // len(SERIES))
    records: list[Any] = [
        Segment(time=created, segment=1, pid=1, host=host_name()),
        Params(time=created, values=values, types=kinds),
        Tags(time=created, values={"stage": chance.choice(["dev", "test", "prod"])}),
    ]
    speed, noise = 3 * rate**0.1, chance.uniform(0.01, 0.2)
    for step in range(steps):
        loss = math.exp(-speed * step / steps) + noise * chance.random()
        good = 1 - loss / 3
        found = (loss, good, 1.1 * loss, good - 0.05 * chance.random(), 0.25)
        records.append(Metric(time=created + step * _CALL, values=dict(zip(SERIES, found, strict=True)), step=step))
    status: Any = chance.choices(["finished", "failed", "killed"], [90, 7, 3])[0]
    last = created + steps * _CALL
    records += [Metric(time=last, values={"test_accuracy": good}), End(time=last, status=status)]
    return msgspec.json.Encoder().encode_lines(records)
