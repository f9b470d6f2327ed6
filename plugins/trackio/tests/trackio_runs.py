"""Recording and delivering runs to a Trackio directory, for the tests."""

import sqlite3
from pathlib import Path
from typing import Any

import multitrack
from multitrack.delivery.report import DeliveryReport
from multitrack.recording.run import Run

PROJECT = "digits"


def start(place: Path, *, options: dict[str, Any] | None = None, **arguments: Any) -> Run:
    """Start a run that :func:`deliver` delivers."""
    table = {"directory": str(place / "trackio"), **(options or {})}
    config = {"journal": str(place / "journal"), "delivery": "off", "trackio": table}
    return multitrack.start_run(**{"project": PROJECT, "config": config, "backends": ["trackio"], **arguments})


def deliver(place: Path, run: Run) -> DeliveryReport:
    """Deliver everything; nothing may be set aside."""
    multitrack.sync(place / "journal")
    report = run.flush()
    assert not any(lane.set_aside for lane in report.values()), report
    return report


def database(place: Path, project: str = PROJECT) -> Path:
    return place / "trackio" / f"{project}.db"


def rows(place: Path, query: str, *values: object, project: str = PROJECT) -> list[tuple[Any, ...]]:
    """What SQLite answers."""
    connection = sqlite3.connect(database(place, project))
    try:
        with connection:
            return connection.execute(query, values).fetchall()
    finally:
        connection.close()
