"""A notebook logs from a kernel, which Jupyter starts in a process of its own."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from comparison import equals_stores
from multitrack.reading.recorded_run import RecordedRun
from observed import Done, execute, recorded, run
from processes import wait_until

BIN = Path(sys.executable).parent
CELLS = (
    "import mlflow\nimport wandb\nfrom torch.utils.tensorboard import SummaryWriter",
    "writer = SummaryWriter('logs/line')\nrun = wandb.init(project='notes', config={'lr': 0.1})\n"
    "experiment = mlflow.set_experiment('notes')",
    "with mlflow.start_run(run_name='cell'):\n    for step in range(3):\n"
    "        mlflow.log_metric('loss', 1 / (step + 1), step=step)\n        run.log({'loss': 1 / (step + 1)})\n"
    "        writer.add_scalar('loss', 1 / (step + 1), step)",
    "run.finish()\nwriter.close()\nprint('trained')\nstep",
)
NBCONVERT = ("--to", "notebook", "--execute", "train.ipynb", "--output", "done.ipynb")


def notebook(place: Path, *cells: str) -> None:
    """Write a notebook of these cells."""
    place.mkdir()
    entries = [
        {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "execution_count": None, "outputs": [], "source": text}
        for number, text in enumerate(cells)
    ]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": entries}
    (place / "train.ipynb").write_text(json.dumps(content))


def outputs(place: Path) -> list[dict[str, str]]:
    """The printed text and the result of each cell in the executed notebook; it may come in any number of parts."""
    cells = json.loads((place / "done.ipynb").read_text())["cells"]
    found: list[dict[str, str]] = []
    for cell in cells:
        found.append({})
        for output in cell["outputs"]:
            assert output["output_type"] in ("stream", "execute_result", "display_data"), output
            name = output.get("name", "result")
            text = "".join(output["text"] if "text" in output else output["data"]["text/plain"])
            found[-1][name] = found[-1].get(name, "") + text
    return found


def normal(done: Done, place: Path) -> tuple[object, ...]:
    """What nbconvert and the cells did, without what differs between two runs."""
    parts = [(key, Done(0, text, "", [])) for cell in outputs(place) for key, text in cell.items()]
    status, out, err, files = done.normal(place)
    cells = [(key, part.normal(place)[1]) for key, part in parts]
    return status, out, re.sub(r"Writing \d+ bytes", "Writing <n> bytes", err), files, cells


def losses(runs: list[RecordedRun]) -> dict[str, list[float]]:
    """The losses by the trackers that the runs come from."""
    return {
        each.manifest.imported.tracker: [float(point.value) for point in each.get_metrics()["loss"]]
        for each in runs
        if each.manifest.imported is not None
    }


THREE = dict.fromkeys(("mlflow", "tensorboard", "wandb"), pytest.approx([1.0, 1 / 2, 1 / 3]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "program", [(BIN / "jupyter", "nbconvert"), (BIN / "jupyter-nbconvert",)], ids=["jupyter", "jupyter-nbconvert"]
)
def test_a_notebook_runs_as_without_and_is_recorded(tmp_path: Path, program: tuple[str | Path, ...]) -> None:
    notebook(tmp_path / "alone", *CELLS)
    notebook(tmp_path / "under", *CELLS)
    alone = run(tmp_path / "alone", *program, *NBCONVERT)
    under = execute(tmp_path / "under", tmp_path / "journal", *program, *NBCONVERT)
    assert alone.status == 0, alone.err
    assert normal(under, tmp_path / "under") == normal(alone, tmp_path / "alone")
    last = outputs(tmp_path / "under")[-1]
    assert (last["stdout"], last["result"]) == ("trained\n", "2")
    runs = recorded(tmp_path / "journal")
    assert losses(runs) == THREE
    assert {each.summary().status for each in runs} == {"finished"}
    equals_stores(runs)


@pytest.mark.slow
@pytest.mark.parametrize("waits", [True, False])
def test_mirror_in_a_cell(tmp_path: Path, waits: bool) -> None:
    last = ["print(len(session.finish(seconds=100).runs))"] if waits else []
    notebook(tmp_path / "place", "import multitrack\nsession = multitrack.mirror()", *CELLS, *last)
    journal = tmp_path / "journal"
    done = run(tmp_path / "place", BIN / "jupyter", "nbconvert", *NBCONVERT, MULTITRACK_JOURNAL=str(journal))
    assert done.status == 0, done.err
    if waits:
        assert outputs(tmp_path / "place")[-1] == {"stdout": "3\n"}
    wait_until(lambda: [each.summary().status for each in recorded(journal)] == ["finished"] * 3)
    assert losses(recorded(journal)) == THREE
    equals_stores(recorded(journal))
