"""Runs of odd numbers, and what a picture of them shows."""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import drawn_runs
import multitrack
from multitrack.cli import main
from multitrack.reading.reader import JournalReader

HUGE = 2**2000
RATES: list[Any] = [0.5, 10, 1e-10, 9]


def record(journal: Path, name: str, values: Sequence[Any], steps: Sequence[int] | None = None, **params: Any) -> None:
    with drawn_runs.start(journal, name, params=params) as run:
        for step, value in zip(steps or range(len(values)), values, strict=True):
            run.log_metric("loss", value, step=step)


def runs_of(journal: Path) -> JournalReader:
    return multitrack.open_journal(journal)


def invoke(*arguments: str) -> Result:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = CliRunner().invoke(main, ["plot", "--journal", "j", *arguments])
    assert [str(warning.message) for warning in caught] == []
    return done


def drawn(figure: Any, panel: int = 0) -> list[list[tuple[float, float]]]:
    return [list(zip(*line.get_data(), strict=True)) for line in figure.axes[panel].lines]


def heights(figure: Any) -> list[float]:
    """Where the points of the first line are in the picture, as parts of the panel's height."""
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    panel = figure.axes[0]
    return [
        float(panel.transAxes.inverted().transform(panel.transData.transform(point))[1]) for point in drawn(figure)[0]
    ]


def odd_runs(journal: Path) -> None:
    """Runs whose rate is a number, but for one; another one has no loss."""
    for i, rate in enumerate([*RATES, math.nan, -math.inf, None, HUGE]):
        params = {"lr": rate, "x": ["sgd", 10, 9, True, 1e-10, -3, math.nan, 0.5][i]}
        with drawn_runs.start(journal, f"r{i}", params=params) as run:
            run.log_metric("loss", [0.5, 0.25, 0.75, 1, 0, 0.125, 2, 3][i])
    for i, loss in enumerate([math.nan, math.inf, None, HUGE, math.nan, math.nan]):
        with drawn_runs.start(journal, f"out {i}", params={"lr": 3}) as run:
            if loss is not None:
                run.log_metric("loss", loss)
