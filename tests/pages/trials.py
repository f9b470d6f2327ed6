"""Journals of more runs than a page has completely, written at once through the project's encoder."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from multitrack.journal.encoding import encode
from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import Context, GitState, Manifest, write_manifest
from multitrack.journal.run_ids import text_of_time
from multitrack.journal.segments import host_name, segment_path
from multitrack.records import ArtifactRef, End, Lines, Metric, Params, Segment, Tags

BEGAN = 1_760_000_000_000


def name_of(number: int) -> str:
    return f"trial {number:04}"


def write(journal: Path, count: int, *, steps: int = 40, lines: int = 3) -> Path:
    """Write ended runs, each with params, tags, two series, a metric, references, log lines and a context of its own.

    Args:
        journal: The journal's directory.
        count: Number of runs.
        steps: Points of each series.
        lines: Log lines of each run.
    """
    chance = random.Random(7)
    runs = runs_directory(journal)
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    for i in range(count):
        created = BEGAN + i * 60_000
        run_id = f"{text_of_time(created)}-{i:06x}"
        context = Context(
            user=f"user{i % 3}", host="h", pid=i, cwd="/w", program="/w/train.py", command=["python", "train.py", f"--seed={i}"],
            executable="/usr/bin/python", python="3.11.7", platform="linux", packages={"numpy": "2.4.6"},
            git=GitState(commit=f"{i:040x}", dirty=i % 2 == 0),
        )  # fmt: skip
        manifest = Manifest(id=run_id, project="sweep", name=name_of(i), created=created, context=context)
        directory = runs / run_id
        directory.mkdir(mode=0o700)
        write_manifest(directory, manifest)
        rate = 10 ** chance.uniform(-5, -1)
        values: dict[str, Any] = {
            "lr": rate,
            "units": chance.choice([32, 64, 128]),
            "optimizer": chance.choice(["adam", "sgd"]),
        }
        kinds: Any = {name: type(value).__name__ for name, value in values.items()}
        records = [
            Segment(time=created, segment=1, pid=1, host=host_name()),
            Params(time=created, values=values, types=kinds),
            Tags(time=created, values={"stage": chance.choice(["dev", "prod"])}),
            ArtifactRef(time=created, name="data", uri=f"s3://b/{i % 5}.csv", kind="dataset", role="input",
                        digest=f"sha256:{i % 5:064x}"),
            *(Metric(time=created + step * 250, step=step, values={
                "loss": math.exp(-step / 9) + 0.3 * chance.random(), "speed": 100 * chance.random(),
            }) for step in range(steps)),
            Lines(time=created + 1, stream="stdout", lines=[f"line {j} of {i}" for j in range(lines)]),
            Metric(time=created + 20_000, values={"score": chance.random()}),
            ArtifactRef(time=created + 20_000, name="weights", uri=f"s3://b/{i}.keras", kind="file", role="output",
                        digest=f"sha256:{i + 1000:064x}"),
            End(time=created + 20_001, status=chance.choice(["finished", "finished", "failed"])),
        ]  # fmt: skip
        segment_path(directory, 1).write_bytes(b"".join(map(encode, records)))
    return journal


def statistics_of(values: list[float]) -> dict[str, float]:
    """The statistics of a series, computed by hand."""
    ordered, half = sorted(values), len(values) // 2
    return {
        "count": len(values), "first": values[0], "last": values[-1], "min": ordered[0], "max": ordered[-1],
        "mean": math.fsum(values) / len(values),
        "median": ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2,
    }  # fmt: skip
