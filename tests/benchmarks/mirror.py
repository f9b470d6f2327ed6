"""What a call of a tracker's SDK costs when ``multitrack exec`` observes it, against the same call without.

Two programs, one under ``multitrack exec`` and one without, make some calls each, by turns: whatever else the machine
does meets both. The follower that reads what the first one writes runs meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import Case, Figures, Group, Results, percentile

#: Makes the call with a step and a value.
Call = Callable[[int, float], object]
#: Calls of a turn, and turns.
CALLS, TURNS = 50, 60


def wandb() -> Call:
    import wandb

    run = wandb.init(project="bench", mode="offline", settings=wandb.Settings(console="off", x_disable_stats=True))
    return lambda step, value: run.log({"loss": value}, step=step)


def mlflow() -> Call:
    import mlflow

    mlflow.start_run()
    return lambda step, value: mlflow.log_metric("loss", value, step=step)


def mlflow_client() -> Call:
    from mlflow import MlflowClient

    client = MlflowClient()
    run = client.create_run("0").info.run_id
    return lambda step, value: client.log_metric(run, "loss", value, step=step)


def neptune() -> Call:
    import neptune

    quiet = {"capture_hardware_metrics": False, "capture_stdout": False, "capture_stderr": False, "git_ref": False}
    series = neptune.init_run(mode="offline", **quiet)["loss"]
    return lambda step, value: series.append(value, step=step)


def tensorboard() -> Call:
    import tensorflow as tf

    tf.summary.create_file_writer("logs/one").set_as_default()
    return lambda step, value: tf.summary.scalar("loss", value, step=step)


SDKS: dict[str, Callable[[], Call]] = {
    "`wandb.Run.log`": wandb,
    "`mlflow.log_metric`": mlflow,
    "`MlflowClient.log_metric`": mlflow_client,
    "Neptune's `append`": neptune,
    "`tf.summary.scalar`": tensorboard,
}


def work(name: str) -> None:
    """Make calls for each line of standard input, and print how many nanoseconds each took."""
    answers = open(1, "w", closefd=False)  # noqa: SIM115 - what the SDKs print is dropped
    sys.stdout = sys.stderr
    call, step, clock = SDKS[name](), 0, time.perf_counter_ns
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        took = []
        for _ in range(int(line)):
            before = clock()
            call(step, 1 / (step + 1))
            took.append(clock() - before)
            step += 1
        print(*took, file=answers, flush=True)


class _Program:
    """A program that waits for its turns, in a directory of its own."""

    def __init__(self, name: str, *command: str) -> None:
        place = Path("observed" if command else "alone")
        place.mkdir()
        worker = [sys.executable, "-P", "-c", f"import mirror; mirror.work({name!r})"]
        self._process = subprocess.Popen(
            [*command, *worker], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        self.took: list[int] = []
        self._answer()

    def turn(self, count: int, *, counts: bool) -> None:
        assert self._process.stdin is not None
        print(count, file=self._process.stdin, flush=True)
        took = [int(text) for text in self._answer().split()]
        self.took += took if counts else []

    def end(self) -> None:
        self._process.communicate(timeout=120)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the program ended with {self._process.wait()}")
        return line


def measured(name: str) -> Callable[[float], Figures]:
    def run(scale: float) -> Figures:
        observed = _Program(name, sys.executable, "-m", "multitrack", "exec", "--")
        alone = _Program(name)
        turns = max(2, round(TURNS * scale))
        for turn in range(turns + 1):  # the first are for caches
            for program in (observed, alone) if turn % 2 else (alone, observed):
                program.turn(CALLS, counts=turn > 0)
        alone.end()
        observed.end()
        took, own = (percentile(sorted(program.took), 0.5) for program in (observed, alone))
        return {"own": own / 1e9, "mirrored": took / 1e9, "ratio": took / own, "added": (took - own) / 1e9}

    return run


def page(results: Results) -> str:
    rows = [
        "| call | observed, against without | without, p50 µs | observed, p50 µs | added, µs |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {results.spread(name, 'ratio', form='.2f')} | {results.median(name, 'own') * 1e6:.1f} | "
        f"{results.median(name, 'mirrored') * 1e6:.1f} | {results.spread(name, 'added', 1e6)} |"
        for name in SDKS
        if name in results
    ]
    return "\n".join(rows)


CASES: Sequence[Case] = [Case(name, measured(name)) for name in SDKS]
GROUP = Group("mirror", CASES, page, rounds=7, short=(CASES[0], CASES[3]))
