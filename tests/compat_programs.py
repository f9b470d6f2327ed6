"""Programs written for an SDK, run with it or with the module of multitrack in its place, and what they recorded."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import multitrack
from multitrack.migration.importing import import_runs
from multitrack.migration.opening import open_source
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Lines, Metric
from quiet import environment

HERE = Path(__file__).parent / "compat"


def scripts(sdk: str) -> dict[str, Path]:
    """The programs of an SDK by name."""
    return {path.stem: path for path in sorted((HERE / f"{sdk}_scripts").glob("*.py"))}


def run_compat(sdk: str, script: Path, place: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing changed but the lines that import the SDK."""
    place.mkdir(parents=True, exist_ok=True)
    text = re.sub(rf"(?m)^import {sdk}$", f"import multitrack.compat.{sdk} as {sdk}", script.read_text())
    text = re.sub(rf"(?m)^from {sdk}\b", f"from multitrack.compat.{sdk}", text)
    program = place / script.name
    program.write_text(text)
    return _run([sys.executable, program.name], place, variables)


def run_sdk(sdk: str, names: list[str], place: Path, **variables: str) -> None:
    """Run programs with the SDK itself, one after the other in one process, each in a directory of its own."""
    code = "import os, runpy, sys\nfor path, place in zip(sys.argv[1::2], sys.argv[2::2], strict=True):\n"
    code += "    os.makedirs(place, exist_ok=True)\n    os.chdir(place)\n    runpy.run_path(path, run_name='__main__')"
    arguments = [text for name in names for text in (str(scripts(sdk)[name]), str(place / name))]
    place.mkdir(parents=True, exist_ok=True)
    done = _run([sys.executable, "-c", code, *arguments], place, variables)
    assert done.returncode == 0, done.stderr


def _run(command: list[str], place: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    given = {**environment(place.parent), "GIT_CEILING_DIRECTORIES": str(place.parent), **variables}
    return subprocess.run(
        command, cwd=place, env=given, capture_output=True, text=True, timeout=100, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def journal_runs(place: Path) -> list[RecordedRun]:
    """The runs of a program, in the order of their starts."""
    return sorted(multitrack.open_journal(place / ".multitrack").runs(), key=lambda run: (run.manifest.created, run.id))


def imported_runs(address: Path, journal: Path) -> list[RecordedRun]:
    """The runs that an SDK wrote, imported."""
    source = open_source(str(address))
    try:
        outcomes = list(import_runs(source, journal))
    finally:
        source.close()
    assert outcomes
    found = multitrack.open_journal(journal).runs()
    return sorted(found, key=lambda run: (run.manifest.created, run.id))


def contents(run: RecordedRun) -> dict[str, Any]:
    """What a run has, without times: params, tags, points of series, values of simple metrics, and logged lines."""
    simple: dict[str, list[float]] = {}
    for record in run.records():
        if isinstance(record, Metric) and record.step is None:
            for name, value in record.numbers.items():
                simple.setdefault(name, []).append(value)
    series = {name: [(point.step, point.value) for point in points] for name, points in run.get_metrics().items()}
    return {
        "params": run.get_params(), "tags": run.summary().tags, "series": series, "simple": simple,
        "lines": list(logged_lines(run)),
    }  # fmt: skip


def logged_lines(run: RecordedRun) -> Iterator[str]:
    """The lines of the program itself, not those that it printed."""
    for record in run.records():
        if isinstance(record, Lines) and record.stream == "log":
            yield from record.lines


def references(run: RecordedRun) -> dict[str, tuple[str, str]]:
    """Name of the file and kind of each reference, by its name."""
    return {each.name: (each.uri.rpartition("/")[2], each.kind) for each in run.summary().artifacts}
