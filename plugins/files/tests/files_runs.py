"""Runs of the files backend, and where its tables are; for several test modules."""

from pathlib import Path
from typing import Any

from files_reader import Rows, parquet_rows

import multitrack


def start(tmp_path: Path, journal: str = "journal", **arguments: Any) -> multitrack.Run:
    options = {"directory": str(tmp_path / "tables"), **arguments.pop("options", {})}
    config = {"journal": str(tmp_path / journal), "delivery": "off", "files": options}
    return multitrack.start_run(config=config, **{"backends": ["files"], "project": "delivery", **arguments})


def sync(tmp_path: Path, journal: str = "journal") -> None:
    """Deliver everything that is pending."""
    multitrack.sync(tmp_path / journal)


def name_of(run: multitrack.Run) -> str:
    return run.backend_ids["files"]


def tables(tmp_path: Path) -> Rows:
    return parquet_rows(tmp_path / "tables")


def part_files(tmp_path: Path, table: str = "points", suffix: str = ".parquet") -> list[Path]:
    return sorted((tmp_path / "tables" / table).rglob(f"part-*{suffix}"))
