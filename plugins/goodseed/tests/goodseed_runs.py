"""Recording and delivering runs to a goodseed directory, for the tests."""

import sqlite3
from pathlib import Path
from typing import Any

import multitrack
from multitrack.delivery.report import DeliveryReport
from multitrack.recording.run import Run

PROJECT = "digits"


def start(place: Path, *, options: dict[str, Any] | None = None, **arguments: Any) -> Run:
    """Start a run that :func:`deliver` delivers."""
    table = {"directory": str(place / "goodseed"), **(options or {})}
    config = {"journal": str(place / "journal"), "delivery": "off", "goodseed": table}
    return multitrack.start_run(**{"project": PROJECT, "config": config, "backends": ["goodseed"], **arguments})


def deliver(place: Path, run: Run) -> DeliveryReport:
    """Deliver everything; nothing may be set aside."""
    multitrack.sync(place / "journal")
    report = run.flush()
    assert not any(lane.set_aside for lane in report.values()), report
    return report


def file_in(place: Path, run: Run) -> Path:
    """The run's file."""
    return place / "goodseed" / "projects" / PROJECT / "runs" / f"{run.backend_ids['goodseed']}.sqlite"


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What SQLite answers."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            return connection.execute(query, values).fetchall()
    finally:
        connection.close()
