"""Journals of runs of every kind, written at once through the project's encoder; and all that tables read of one."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.compare import compare
from multitrack.errors import QueryError, RunError
from multitrack.journal import encoding
from multitrack.journal.deletion import Deletion, delete
from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import Context, GitState, Manifest, Origin, write_manifest
from multitrack.journal.segments import segment_path
from multitrack.query.columns import GROUPS, METADATA
from multitrack.reading.reader import JournalReader
from multitrack.records import ArtifactRef, End, Lines, ListMetric, Metric, ModelVersion, Params, Segment, Tags
from multitrack.summaries import run_index
from multitrack.summaries.statistics import REDUCTIONS

NAMES = ("a", "loss", "acc", "ä b", "x:y", "shared")
NUMBERS: tuple[Any, ...] = (0, 1, 1.0, -0.0, 2**53 + 1, -7, 0.1, 1e300, "NaN", "Infinity", "-Infinity", str(2**70))
VALUES: tuple[Any, ...] = (*NUMBERS[:8], True, False, None, "adam", "", "1", "ü", [1, "a"], [])
FILTERS = (
    "params.a > 0", "params.a = none or params.loss != 1", 'tags.a = "prod"', "metrics.shared >= 0", "metrics.loss:min < 1",
    "metrics.acc:count > 1", "lists.a:median", "status != finished", "parent", "parent = none", "took > 1", "ended < 7d",
    "started > 2020-01-01", "user = ann", "commit", "dirty = true", "command ~ TRAIN", "name ~ 1", "group = g1", "notes",
    "versions.a", "models.a", "inputs.a = 1", "outputs.loss", "tracker = mlflow", "journal", "run ~ r", "metrics.a:best > 0",
    "params.a ~ a", "lines > 0 and records < 9", "project = p0", "metrics.loss = nan",
)  # fmt: skip


class NoIndex:
    """The same journal as it is read without an index."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch

    def __call__(self, journal: Path, read: Callable[[JournalReader], Any]) -> Any:
        index = journal / run_index.NAME
        kept = index.read_bytes() if index.exists() else None
        index.unlink(missing_ok=True)
        with self.patch.context() as patched:
            patched.setattr(run_index, "_FEW", 10**9)
            found = read(multitrack.open_journal(journal))
        if kept is not None:
            index.write_bytes(kept)
        return found


def write_runs(journal: Path, count: int, seed: int, *, first: int = 0) -> None:
    """Write runs of every kind: finished, failed, killed, unfinished, deleted, children, imported."""
    chance = random.Random(seed)
    for i in range(first, first + count):
        write_run(journal, i, chance)


def write_run(journal: Path, i: int, chance: random.Random, **facts: Any) -> Path:
    directory = runs_directory(journal) / (
        f"20260101-00000{i % 10}-{i:03}-{i:06x}" if chance.random() < 0.8 else f"r{i}"
    )
    directory.mkdir(parents=True)
    created = 1_760_000_000_000 + i * 1000
    earlier = sorted(path.name for path in directory.parent.iterdir() if path != directory)
    parent = chance.choice(earlier) if earlier and chance.random() < 0.4 else None
    given: dict[str, Any] = {
        "id": directory.name, "project": f"p{i % 2}", "name": f"run {i % 5}", "created": created, "parent": parent,
        "group": chance.choice([None, "g1"]), "notes": chance.choice([None, "notes"]),
        "context": None if parent and chance.random() < 0.7 else _context(chance),
        "imported": Origin("mlflow", f"m{i}", "x") if chance.random() < 0.2 else None, "redacted": chance.choice([0, 2]),
    }  # fmt: skip
    write_manifest(directory, Manifest(**given | facts))
    records = [Segment(time=created, segment=1, pid=1, host="h"), *_records(created, chance)]
    segment_path(directory, 1).write_bytes(b"".join(map(encoding.encode, records)))
    if chance.random() < 0.15:
        delete(directory, Deletion(1))
    return directory


def _context(chance: random.Random) -> Context:
    git = GitState(commit="c" * 40, dirty=chance.random() < 0.5) if chance.random() < 0.5 else None
    return Context(
        user=chance.choice(["ann", "bob"]), host="h", pid=1, cwd="/", program=None, command=["python", "train.py"],
        executable="python", python="3.11", platform="linux", git=git, packages={"numpy": "2"},
    )  # fmt: skip


def _records(time: int, chance: random.Random) -> list[Any]:
    records: list[Any] = []
    for _ in range(chance.randrange(6)):
        time += chance.randrange(2000)
        name, numbers = chance.choice(NAMES), [chance.choice(NUMBERS[:-1]) for _ in range(3)]
        value = chance.choice(VALUES)
        kind: Any = "none" if value is None else type(value).__name__
        records.append(
            chance.choice([
                Params(time=time, values={name: value}, types={name: kind}),
                Tags(time=time, values={name: chance.choice(["prod", "dev", ""])}),
                Metric(time=time, values={name: chance.choice(NUMBERS[:-1]), "shared": numbers[0]}),
                Metric(time=time, values={name: numbers[0], "shared": numbers[1]}, step=1),
                ListMetric(time=time, name=name, values=numbers),
                ArtifactRef(time=time, name=name, uri="s3://x", kind="data", role=chance.choice(["input", "output"]),
                            version=chance.choice([None, "v1"]), digest=chance.choice([None, "sha256:1"])),
                Lines(time=time, lines=["one", "two"]),
            ])
        )  # fmt: skip
    if chance.random() < 0.85:
        models = [ModelVersion("a", "1.0.0", "s3://m")] if chance.random() < 0.3 else []
        records.append(
            End(time=time, status=chance.choice(["finished", "finished", "failed", "killed"]), models=models)
        )
    return records


def seen(reader: JournalReader) -> dict[str, str]:
    """All that listings, filters and comparisons say of a journal, each as text, because NaN is not equal to itself."""
    found: dict[str, Any] = {}

    def say(what: str, read: Callable[[], Any]) -> None:
        try:
            found[what] = repr(read())
        except (QueryError, RunError) as error:
            found[what] = str(error)

    for deleted in (False, True):
        say(f"runs {deleted}", lambda deleted=deleted: [(run.id, run.parent) for run in reader.runs(deleted=deleted)])
    for selected in ({"project": "p1"}, {"status": ["killed", "failed"]}, {"group": "g1"}, {"tags": {"a": "prod"}},
                     {"since": 1_760_000_003_000}, {"until": 1_760_000_003_000}, {"parent": "r1"}, {"parent": "run 1"}):  # fmt: skip
        say(f"{selected}", lambda selected=selected: [run.id for run in reader.runs(**selected)] if selected else [])
    for where in FILTERS:
        say(where, lambda where=where: [run.id for run in reader.runs(where=where)])
    runs = list(reader.runs())
    say("summaries", lambda: [(run.summary(), run.facts, run.ended()) for run in runs])
    for group in GROUPS[1:]:
        for reduction in ("", *(f":{name}" for name in REDUCTIONS)) if group in ("metrics", "lists") else ("",):
            say(f"{group}{reduction}", lambda name=f"{group}{reduction}": _rows(compare(reader.runs(), [name])))
    fixed = [name for name in METADATA if name != "took"]  # that of a running run goes on
    say("metadata", lambda: _rows(compare(reader.runs(), fixed, reduction="max")))
    for sort in ("-metrics.shared", "params.a", "-ended", "name"):
        say(f"by {sort}", lambda sort=sort: _rows(compare(reader.runs(), ["name"], sort=[sort, "started"])))
    for best in ("metrics.shared:max", "metrics.loss:last:min", "lists.a:mean:max", "params.a:min", "metrics.none:min"):
        say(f"best {best}", lambda best=best: (top := compare(reader.runs(), ["name"], best=best).best) and (
            top.row.id, top.value, top.row.summary, top.row.statistics))  # fmt: skip
    say("diff", lambda: _rows(compare(reader.runs(), ["params", "tags", "metrics"], diff=True)))
    say("csv", lambda: compare(reader.runs(), ["name", "params", "metrics", "inputs"]).to_csv())
    say("followed", lambda: reader.follow_metric("shared", by="tags.a"))
    say("names", lambda: compare(reader.runs(), ["params.nobody"], among=reader.runs(project="p0")))
    return found


def _rows(comparison: Any) -> Any:
    return [str(column) for column in comparison.columns], list(comparison.to_dicts()), comparison.undecided
