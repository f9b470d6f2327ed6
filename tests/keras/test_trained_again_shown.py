"""What was left out, because it was trained again, is counted and shown."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import multitrack
from multitrack.cli import main
from multitrack.testing import MemoryBackend
from repeated_training import Stop, fit, loaded, steps

pytestmark = [pytest.mark.case(2), pytest.mark.usefixtures("eagerly")]


JOB = """
import os, signal, sys
import keras, numpy as np
import multitrack
from multitrack.keras import TrackingCallback
from multitrack.testing import MemoryBackend

die, run_id = sys.argv[1] == "die", sys.argv[2] if len(sys.argv) > 2 else None

class Die(keras.callbacks.Callback):
    epoch = 0
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if die and (self.epoch, batch) == (2, 3):
            os.kill(os.getpid(), signal.SIGKILL)

keras.utils.set_random_seed(3)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
with multitrack.start_run(run_id=run_id) as run:
    print(run.id, flush=True)
    model.fit(np.ones((50, 4)), np.ones((50, 1)), epochs=4, batch_size=10, verbose=0, callbacks=[
        TrackingCallback(log_freq=1), keras.callbacks.BackupAndRestore("backup", save_freq=4), Die()])
"""


def job(*arguments: str) -> Any:
    return subprocess.run([sys.executable, "-c", JOB, *arguments], capture_output=True, text=True, check=False)


def test_what_a_killed_job_repeats_is_counted_and_shown_everywhere(project, recorded):
    died = job("die")
    assert died.returncode == -9, died.stderr
    run_id = died.stdout.strip()
    again = job("live", run_id)
    assert again.returncode == 0, again.stderr
    held = recorded(run_id)
    assert steps(held) == [0, 1, 2, 3]
    batches = steps(held, "batch/loss")
    assert batches == list(range(1, len(batches) + 1))
    summary = held.summary()
    assert (summary.skipped_epochs, summary.skipped_batches) == (0, 2)  # from the backup at batch 12
    assert f"run {run_id}: 2 batches, which it holds already, will be trained again" in again.stderr
    assert recorded(run_id).summary() == summary  # as it is kept beside the run
    with multitrack.start_run(run_id=run_id) as run:
        assert (run.flush().skipped_batches, run.flush().skipped) == (2, 2)
    show = CliRunner().invoke(main, ["show", run_id])
    assert "2 batches, not recorded a second time" in " ".join(show.output.split())
    told = json.loads(CliRunner().invoke(main, ["show", run_id, "--json"]).output)
    assert (told["skipped_epochs"], told["skipped_batches"]) == (0, 2)


def test_the_statement_at_the_end_has_what_was_left_out(model, data, caplog):
    with multitrack.start_run() as run:
        fit(model, data, 0, 1)
        older = loaded(model)
        fit(model, data, 1, 2)
    with multitrack.start_run(run_id=run.id, backends=[MemoryBackend()], config={"delivery": "thread"}) as run:
        fit(older, data, 1, 3)
    assert f"{run.flush()}" == (
        "memory: 24 delivered; 1 epochs trained again, not recorded a second time; "
        "5 points of batches trained again, not recorded a second time"
    )
    assert caplog.records[-1].getMessage() == f"multitrack: run {run.id}: {run.flush()}"


def test_models_that_cannot_be_told_apart_lose_nothing(compiled, data, recorded):
    """Of the same size and name, and continued in another order: no more is left out than both of them had."""
    models = [compiled(), compiled()]
    for model in models:
        model.name = "same"
    with multitrack.start_run() as run:
        for it in range(3):
            if it == 1:
                older = [loaded(model) for model in models]
            for model in models[: 1 if it == 2 else 2]:
                fit(model, data, it, it + 1)
    with multitrack.start_run(run_id=run.id) as run:
        for it in range(1, 4):
            for model in reversed(older):
                fit(model, data, it, it + 1)
    assert steps(recorded(run)) == [0, 0, 1, 1, 2, 2, 2, 3, 3]
    assert sorted(steps(recorded(run), "batch/loss")) == sorted([*range(1, 21), *range(1, 21), *range(11, 16)])
    assert (run.flush().skipped_epochs, run.flush().skipped_batches) == (2, 10)


def test_a_page_shows_what_was_left_out(compiled, data, recorded):
    from multitrack.page.collect import Collected, Tables

    model = compiled()
    with multitrack.start_run() as run:
        fit(model, data, 0, 2)
        older = loaded(model)
        fit(model, data, 2, 3)
    with multitrack.start_run(run_id=run.id) as run:
        fit(older, data, 2, 4)
        collected = Collected(recorded(run))
        collected.read_on()
        live = collected.page_run(Tables()).counts
    collected = Collected(recorded(run))
    collected.read_on()
    assert collected.page_run(Tables()).counts == live
    assert (live["epochs trained again"], live["batches trained again"]) == (1, 5)


def test_what_was_left_out_before_an_interruption_is_counted(compiled, data, recorded, caplog):
    model = compiled()
    with multitrack.start_run() as run:
        older = loaded(model)
        fit(model, data, 0, 1)
        older = loaded(model)
        fit(model, data, 1, 3)
    with pytest.raises(KeyboardInterrupt), multitrack.start_run(run_id=run.id) as run:
        fit(older, data, 1, 3, Stop(1, 2))
    assert (recorded(run).summary().skipped_epochs, recorded(run).summary().skipped_batches) == (0, 3)
    caplog.set_level(logging.WARNING)
    assert run.flush().skipped == 3


def test_an_older_journal_without_positions_loses_nothing(model, data, recorded, project):
    with multitrack.start_run() as run:
        fit(model, data, 0, 2)
        older = loaded(model)
        fit(model, data, 2, 3)
    journal = Path(run.directory) / "000001.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"record":"trained"' not in line))
    with multitrack.start_run(run_id=run.id) as run:
        fit(older, data, 2, 3)
    assert steps(recorded(run)) == [0, 1, 2, 2]
