"""Runs offline that the tests of several files record, and what is to be there of them."""

from pathlib import Path
from typing import Any

from wandb_file import read_native

import multitrack
from multitrack.recording.run import Run
from multitrack.testing import NativePoint


def start(tmp_path: Path, **arguments: Any) -> Run:
    options = {"mode": "offline", "dir": str(tmp_path), **arguments.pop("options", {})}
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "wandb": options}
    return multitrack.start_run(config=config, backends=["wandb"], **{"project": "tests", **arguments})


def sync(tmp_path: Path) -> None:
    multitrack.sync(tmp_path / "journal")


def record(run: Run, first: int = 0) -> None:
    """A bit of everything; ``expect`` knows it."""
    run.log_params({"first": {str(first): True}})
    for i in range(first, first + 40):
        run.log_metric("loss", i / 8, step=i)
        run.log_lines([f"line {i}", ""])
    run.log_list_metric("list", [first + 0.5, first + 1.5])
    run.log_artifact_ref(f"data {first}", f"s3://bucket/{first}")
    run.log_metric("best", first)


def expect(root: Path, run: Run, *firsts: int) -> None:
    held = read_native(root, run.id)
    loss = [NativePoint(i, i / 8, None) for first in firsts for i in range(first, first + 40)]
    assert [point._replace(time=None) for point in held.series["loss"]] == loss
    assert [point.value for point in held.series["list"]] == [first + part for first in firsts for part in (0.5, 1.5)]
    assert held.lines == [line for first in firsts for i in range(first, first + 40) for line in (f"line {i}", "")]
    assert held.artifacts == {f"data {first}": f"s3://bucket/{first}" for first in firsts}
    assert held.params == {f"first/{first}": True for first in firsts}
    assert held.metrics["best"] == firsts[-1]
    assert held.status == "finished"
