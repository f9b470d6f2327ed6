"""Compare a script that runs under ``multitrack exec`` with the same script alone, and its journal with the SDK's store."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from multitrack.migration.verifying import verify_run
from multitrack.reading.recorded_run import RecordedRun
from observed import copied, execute, recorded, run


class Expected(msgspec.Struct, frozen=True):
    """What a script does.

    Attributes:
        statuses: Those of its runs.
        points: Number of points of series of the first run.
        params: Some of its params.
        values: Some of its simple metrics.
        tags: Some of its tags.
        references: Some of its references.
        lines: Some of its log lines.
        children: Number of runs whose parent is the first.
        status: The exit status.
        project: The project of the first run, if the program names it.
    """

    statuses: tuple[str, ...] = ("finished",)
    points: dict[str, int] = msgspec.field(default_factory=dict)
    params: dict[str, object] = msgspec.field(default_factory=dict)
    values: dict[str, float] = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    references: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    children: int = 0
    status: int = 0
    project: str | None = None


def runs_as_without(script: Path, expected: Expected, place: Path, *, tracker: str) -> None:
    """Assert that a script does under ``multitrack exec`` the same as alone, and that each run is recorded.

    Args:
        script: The script.
        expected: What it does.
        place: An empty directory.
        tracker: The tracker whose store the journal is to equal.
    """
    runs = same_as_without(script, place, expected.status)
    assert {each.manifest.imported.tracker for each in runs if each.manifest.imported is not None} == {tracker}
    has_runs(runs, expected)


def same_as_without(script: Path, place: Path, status: int = 0) -> list[RecordedRun]:
    """Assert that a script does under ``multitrack exec`` the same as alone, and that the journal equals the SDKs' stores.

    Args:
        script: The script.
        place: An empty directory.
        status: Its exit status.

    Returns:
        The runs in the journal, in the order of their start.
    """
    journal = place / "journal"
    alone = run(place / "alone", sys.executable, copied(script, place / "alone"))
    under = execute(place / "under", journal, sys.executable, copied(script, place / "under"))
    assert alone.status == status, alone.err
    normal = alone.normal(place / "alone")
    assert under.normal(place / "under") == normal
    assert f"{normal[1]}{normal[2]}".count("\n") > 0, "there is output to compare"
    assert len(normal[3]) > 1, "there are files beside the script to compare"
    runs = recorded(journal)
    equals_stores(runs)
    return runs


def equals_stores(runs: list[RecordedRun]) -> None:
    """Assert that runs equal those in the stores of the SDKs that they come from."""
    for each in runs:
        assert each.manifest.imported is not None
        found = verify_run(each, each.manifest.imported.tracker)
        assert (found.error, found.findings) == (None, [])
        assert found.equal > 0


def has_runs(runs: list[RecordedRun], expected: Expected) -> None:
    """Assert that there are these runs, and that the first has what the script logged."""
    assert sorted(each.summary().status for each in runs) == sorted(expected.statuses)
    holds(runs[0], expected)
    assert sum(each.manifest.parent == runs[0].id for each in runs) == expected.children


def holds(found: RecordedRun, expected: Expected) -> None:
    """Assert that a run has what the script logged: a reader that overlooks something would find both sides equal."""
    series, params, summary = found.get_metrics(), found.get_params(), found.summary()
    assert {name: len(series[name]) for name in expected.points} == expected.points
    assert {name: params[name] for name in expected.params} == expected.params
    assert {name: summary.simple[name] for name in expected.values} == expected.values
    assert {name: summary.tags[name] for name in expected.tags} == expected.tags
    assert {reference.name for reference in summary.artifacts} >= {*expected.references}
    assert expected.project in (None, found.manifest.project)
    assert {line.text for line in found.get_lines()} >= {*expected.lines}
