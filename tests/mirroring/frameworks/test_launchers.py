"""Launchers start a training in processes of their own: each is observed, and the exit status is the launcher's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from comparison import equals_stores
from multitrack.reading.recorded_run import RecordedRun
from observed import copied, execute, recorded, run

RANKS = Path(__file__).parent / "programs" / "ranks.py"
BIN = Path(sys.executable).parent
TWO = ("--standalone", "--nproc-per-node", "2")
ONE = ("--cpu", "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
#: Processes side by side would have each other wait.
ALONE = {"OMP_NUM_THREADS": "1"}


def losses(runs: list[RecordedRun]) -> dict[str, list[int | None]]:
    """The steps of each run's losses."""
    return {each.manifest.name: [point.step for point in each.get_metrics()["loss"]] for each in runs}


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", [(BIN / "torchrun",), (sys.executable, "-m", "torch.distributed.run")], ids=["torchrun", "module"]
)
def test_each_rank_is_recorded(tmp_path: Path, launcher: tuple[str | Path, ...]) -> None:
    journal = tmp_path / "journal"
    alone = run(tmp_path / "alone", *launcher, *TWO, copied(RANKS, tmp_path / "alone"), **ALONE)
    under = execute(tmp_path / "under", journal, *launcher, *TWO, copied(RANKS, tmp_path / "under"), **ALONE)
    assert alone.status == 0, alone.err
    assert alone.out.count("\n") == 4
    assert under.normal(tmp_path / "under") == alone.normal(tmp_path / "alone")
    runs = recorded(journal)
    assert losses(runs) == {name: [0, 1, 2, 3] for name in ("rank 0", "rank0", "rank1")}
    assert {each.summary().status for each in runs} == {"finished"}
    equals_stores(runs)


@pytest.mark.slow
def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    """The launcher ends the other one, which MLflow never learns of."""
    journal = tmp_path / "journal"
    launcher = (BIN / "torchrun", *TWO)
    alone = run(tmp_path / "alone", *launcher, copied(RANKS, tmp_path / "alone"), "kill", **ALONE)
    under = execute(tmp_path / "under", journal, *launcher, copied(RANKS, tmp_path / "under"), "kill", **ALONE)
    assert "Signal 9 (SIGKILL)" in alone.err
    assert "Signal 9 (SIGKILL)" in under.err
    assert "multitrack:" not in under.err
    assert (under.status, under.out) == (alone.status, alone.out)
    assert (under.status, under.out.count("\n")) == (1, 3)
    runs = recorded(journal)
    assert losses(runs) == {name: [0, 1, 2] for name in ("rank 0", "rank0", "rank1")}
    assert {each.manifest.name: each.summary().status for each in runs}["rank 0"] == "killed"
    equals_stores(runs)


@pytest.mark.slow
def test_accelerate(tmp_path: Path) -> None:
    journal, script = tmp_path / "journal", RANKS.parent.parent / "scripts" / "tensorboard_torch.py"
    launcher = (BIN / "accelerate", "launch", *ONE)
    alone = run(tmp_path / "alone", *launcher, copied(script, tmp_path / "alone"), **ALONE)
    under = execute(tmp_path / "under", journal, *launcher, copied(script, tmp_path / "under"), **ALONE)
    assert alone.status == 0, alone.err
    assert under.normal(tmp_path / "under") == alone.normal(tmp_path / "alone")
    (found,) = recorded(journal)
    assert len(found.get_metrics()["loss/train"]) == 6
    equals_stores([found])
