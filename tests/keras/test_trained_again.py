"""Points are left out only where a training is known to be repeated, and then it is said how many."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import multitrack
from multitrack.cli import main
from multitrack.keras import TrackingCallback
from multitrack.keras.resume import Mark
from multitrack.testing import MemoryBackend

pytestmark = pytest.mark.case(2)


def steps(held: Any, name: str = "loss") -> list[int]:
    return [point.step for point in held.get_metrics(name).get(name, [])]


def fit(model: Any, data: Any, first: int, last: int, *others: Any, run: Any = None, every: Any = 1) -> Any:
    """Epochs ``first`` to ``last`` - 1, of 5 batches each."""
    callbacks = [TrackingCallback(run, every), *others]
    return model.fit(*data, initial_epoch=first, epochs=last, batch_size=10, verbose=0, callbacks=callbacks)


def loaded(model: Any, path: str = "model.keras") -> Any:
    """The model as another process has it: from a file."""
    model.save(path)
    return keras.models.load_model(path)


def said(caplog: Any) -> list[str]:
    return [text for record in caplog.records if "a second time" in (text := record.getMessage())]


class Stop(keras.callbacks.Callback):
    """Ctrl-C after so many batches of an epoch, counted from 0; ``None``: as the epoch ends."""

    def __init__(self, epoch: int, batch: int | None) -> None:
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.at:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch, None) == self.at:
            raise KeyboardInterrupt


def everything_is_there(run: Any, caplog: Any) -> None:
    """Nothing was left out, and nothing said."""
    assert (run.mistakes, run.flush().skipped) == (0, 0)
    assert said(caplog) == []


# -- not repeated -------------------------------------------------------------------------------------------------


def test_two_models_by_turns_keep_all_their_epochs(compiled, recorded, caplog):
    """As people write it."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(320, 4)), random.normal(size=(320, 1))
    a, b = compiled(), compiled()
    found: dict[int, list[tuple[int, float]]] = {id(a): [], id(b): []}
    with multitrack.start_run() as run:
        for it in range(4):
            for m, n in ((a, 320), (b, 160)):
                history = m.fit(x[:n], y[:n], initial_epoch=it, epochs=it + 1, batch_size=16, verbose=0,
                                callbacks=[TrackingCallback()])  # fmt: skip
                found[id(m)].append((it, history.history["loss"][0]))
    points = [(point.step, point.value) for point in recorded(run).get_metrics("loss")["loss"]]
    assert points[0::2] == found[id(a)]
    assert points[1::2] == found[id(b)]
    assert len(points) == 8
    everything_is_there(run, caplog)


def test_two_models_by_turns_keep_all_their_batches(compiled, data, recorded, caplog):
    models = [compiled(), compiled()]
    with multitrack.start_run() as run:
        for it in range(3):
            for model, rows in zip(models, (50, 20), strict=True):
                fit(model, (data[0][:rows], data[1][:rows]), it, it + 1)
    assert steps(recorded(run), "batch/loss") == [1, 2, 3, 4, 5, 1, 2, 6, 7, 8, 9, 10, 3, 4, 11, 12, 13, 14, 15, 5, 6]
    everything_is_there(run, caplog)


@pytest.mark.parametrize("begin", [3, 0])
def test_an_earlier_checkpoint_that_is_fine_tuned_keeps_all_batches(model, data, recorded, caplog, begin):
    with multitrack.start_run() as run:
        fit(model, data, 0, 3)
        older = loaded(model)
        fit(model, data, 3, 6)
        history = fit(older, data, begin, begin + 3)
    held = recorded(run)
    assert len(steps(held, "batch/loss")) == 45
    assert steps(held, "batch/loss")[30:] == list(range(16, 31))
    assert steps(held)[6:] == [begin, begin + 1, begin + 2]
    assert [point.value for point in held.get_metrics("loss")["loss"]][6:] == history.history["loss"]
    everything_is_there(run, caplog)


@pytest.mark.parametrize("begin", [3, 0])
def test_a_model_that_goes_back_to_earlier_weights_keeps_all_points(model, data, recorded, caplog, begin):
    with multitrack.start_run() as run:
        fit(model, data, 0, 3)
        model.save_weights("earlier.weights.h5")
        fit(model, data, 3, 6)
        model.load_weights("earlier.weights.h5")
        fit(model, data, begin, begin + 3)
    assert len(steps(recorded(run), "batch/loss")) == 45
    assert steps(recorded(run))[6:] == ([3, 4, 5] if begin else [6, 7, 8])  # without initial_epoch it goes on
    everything_is_there(run, caplog)


def test_the_same_epochs_once_more_on_purpose(model, data, recorded, caplog):
    with multitrack.start_run() as run:
        fit(model, data, 0, 4)
        fit(model, data, 2, 4)
        fit(model, data, 3, 4)
    assert steps(recorded(run)) == [0, 1, 2, 3, 2, 3, 3]
    assert len(steps(recorded(run), "batch/loss")) == 35
    everything_is_there(run, caplog)


# -- BackupAndRestore ---------------------------------------------------------------------------------------------


def backup(save: Any = "epoch", name: str = "backup") -> Any:
    return keras.callbacks.BackupAndRestore(name, save_freq=save)


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "after ours"])
@pytest.mark.parametrize("same", [True, False], ids=["the same model", "another object"])
@pytest.mark.parametrize(("save", "batch", "repeated"), [("epoch", 2, (0, 3)), (2, 2, (0, 1)), (4, 3, (0, 2))])
def test_what_is_repeated_from_a_backup_is_left_out(
    compiled, data, recorded, caplog, first, same, save, batch, repeated
):
    model = compiled()

    def train(trained: Any, *others: Any) -> Any:
        callbacks = [TrackingCallback(run, 1), backup(save)]
        callbacks = [*(reversed(callbacks) if first else callbacks), *others]
        return trained.fit(*data, epochs=4, batch_size=10, verbose=0, callbacks=callbacks)

    with multitrack.start_run() as run:
        with pytest.raises(KeyboardInterrupt):
            train(model, Stop(2, batch))
        train(model if same else compiled())
        report = run.flush()
    held = recorded(run)
    assert steps(held) == [0, 1, 2, 3]
    batches = steps(held, "batch/loss")
    assert batches == list(range(1, len(batches) + 1))
    assert (report.skipped_epochs, report.skipped_batches) == repeated
    assert len(said(caplog)) == 1
    assert f": {repeated[1]} batch" in said(caplog)[0]
    assert "BackupAndRestore" in said(caplog)[0]
    assert run.id in said(caplog)[0]
    assert "epoch" not in said(caplog)[0]


def test_an_interruption_before_the_backup_of_an_epoch_repeats_that_epoch(compiled, data, recorded, caplog):
    """Ours is called before ``BackupAndRestore``, which is not called any more."""
    with multitrack.start_run() as run:
        with pytest.raises(KeyboardInterrupt):
            fit(compiled(), data, 0, 4, Stop(2, None), backup(), run=run)
        history = fit(compiled(), data, 0, 4, backup(), run=run)
    assert history.epoch == [2, 3]
    assert steps(recorded(run)) == [0, 1, 2, 3]
    assert steps(recorded(run), "batch/loss") == list(range(1, 21))
    assert (run.flush().skipped_epochs, run.flush().skipped_batches) == (1, 5)
    assert "1 epoch and 5 batches, which it holds already," in said(caplog)[0]


def test_a_fit_after_the_restored_one_is_recorded(compiled, data, recorded):
    """The model keeps the epoch that it was restored to, and Keras begins there again."""
    with multitrack.start_run() as run:
        with pytest.raises(KeyboardInterrupt):
            fit(compiled(), data, 0, 3, Stop(1, 2), backup(), run=run)
        model = compiled()
        fit(model, data, 0, 3, backup(), run=run)
        skipped = run.flush().skipped
        history = fit(model, data, 2, 4, run=run)
        assert run.flush().skipped == skipped > 0
    assert steps(recorded(run)) == [0, 1, 2, *history.epoch]
    assert steps(recorded(run), "batch/loss") == list(range(1, 16 + 5 * len(history.epoch)))


def test_a_backup_that_is_not_there_restores_nothing(model, data, recorded, caplog):
    with multitrack.start_run() as run:
        fit(model, data, 0, 2, backup())
        fit(model, data, 1, 3, backup())
    assert steps(recorded(run)) == [0, 1, 1, 2]
    everything_is_there(run, caplog)


def test_a_backup_of_another_run_repeats_nothing_of_this_one(compiled, data, recorded, caplog):
    with pytest.raises(KeyboardInterrupt), multitrack.start_run():
        fit(compiled(), data, 0, 3, Stop(1, 2), backup())
    with multitrack.start_run() as run:
        fit(compiled(), data, 0, 3, backup())
    assert steps(recorded(run)) == [1, 2]
    assert steps(recorded(run), "batch/loss") == list(range(6, 16))
    everything_is_there(run, caplog)


def test_two_models_with_a_backup_each(compiled, data, recorded):
    """Of the same size, so that they stand at the same places; each repeats its own."""

    def train(stop: Any = ()) -> None:
        for name, others in (("a", ()), ("b", stop)):
            fit(compiled(), data, 0, 3, *others, backup(2, name), run=run)

    with multitrack.start_run() as run:
        with pytest.raises(KeyboardInterrupt):
            train((Stop(1, 2),))
        train()
    held = recorded(run)
    # The first begins anew, for it was done: its backup is gone.
    assert steps(held) == [0, 1, 2, 0, 0, 1, 2, 1, 2]
    assert steps(held, "batch/loss") == [*range(1, 16), *range(1, 9), *range(1, 16), *range(9, 17)]


def test_without_the_private_name_the_optimizers_count_tells():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    before = Mark.of(model)
    assert not before.was_restored(model)
    model.optimizer.iterations.assign(5)
    assert not before.was_restored(model)  # somebody else moved it: nobody has named an epoch
    model._initial_epoch = 0
    assert before.was_restored(model)
    assert not Mark.of(model).was_restored(model)  # of an earlier fit
    del model._initial_epoch
    assert before.was_restored(model)
    assert not Mark.of(model).was_restored(model)


# -- continued runs -----------------------------------------------------------------------------------------------


def test_a_loop_of_fits_that_is_continued_repeats_what_the_run_holds(compiled, data, recorded, caplog):
    """Each iteration is a ``fit`` of its own, and several of them are repeated."""
    model = compiled()
    with multitrack.start_run() as run:
        for it in range(6):
            if it == 3:
                model.save("model.keras")
            fit(model, data, it, it + 1)
    before = recorded(run).get_metrics("loss")["loss"]
    model = keras.models.load_model("model.keras")
    with multitrack.start_run(run_id=run.id) as run:
        for it in range(3, 9):
            fit(model, data, it, it + 1)
        assert (run.flush().skipped_epochs, run.flush().skipped_batches) == (3, 15)
        fit(model, data, 7, 9)  # once more, on purpose
    held = recorded(run)
    assert steps(held) == [*range(9), 7, 8]
    assert steps(held, "batch/loss") == [*range(1, 46), *range(46, 56)]
    assert held.get_metrics("loss")["loss"][:6] == before
    assert len(said(caplog)) == 1
    assert "3 epochs and 15 batches, which it holds already," in said(caplog)[0]
    assert "the run was continued with run_id=" in said(caplog)[0]


def test_two_models_by_turns_in_a_continued_run(compiled, data, recorded, caplog):
    """Interrupted between the two: of the first the last epoch is repeated, of the other nothing is."""
    for sizes in ((50, 20), (50, 50)):
        models = [compiled(), compiled()]
        with multitrack.start_run() as run:
            for it in range(3):
                if it == 2:
                    for number, model in enumerate(models):
                        model.save(f"{number}.keras")
                for model, rows in zip(models[: 1 if it == 2 else 2], sizes, strict=False):
                    fit(model, (data[0][:rows], data[1][:rows]), it, it + 1)
        models = [keras.models.load_model(f"{number}.keras") for number in (0, 1)]
        with multitrack.start_run(run_id=run.id) as run:
            for it in range(2, 4):
                for model, rows in zip(models, sizes, strict=True):
                    fit(model, (data[0][:rows], data[1][:rows]), it, it + 1)
        assert steps(recorded(run)) == [0, 0, 1, 1, 2, 2, 3, 3]
        per_epoch = sizes[1] // 10
        batches = steps(recorded(run), "batch/loss")
        assert len(batches) == 20 + 4 * per_epoch
        assert sorted(batches) == sorted([*range(1, 21), *range(1, 4 * per_epoch + 1)])
        assert (run.flush().skipped_epochs, run.flush().skipped_batches) == (1, 5)
    assert len(said(caplog)) == 2


def test_models_that_go_on_in_a_continued_run_lose_nothing(compiled, data, recorded, caplog):
    models = [compiled(), compiled()]
    with multitrack.start_run() as run:
        for it in range(2):
            for model in models:
                fit(model, data, it, it + 1)
    with multitrack.start_run(run_id=run.id) as run:
        for it in range(2, 4):
            for model in models:
                fit(model, data, it, it + 1)
    assert steps(recorded(run)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(steps(recorded(run), "batch/loss")) == 40
    everything_is_there(run, caplog)


@pytest.mark.parametrize("every", ["epoch", 1])
def test_an_earlier_checkpoint_that_goes_on_with_other_data_keeps_all_points(compiled, data, recorded, caplog, every):
    """Batches of another number an epoch are another training, though it begins where this one has been."""
    model = compiled()
    with multitrack.start_run() as run:
        fit(model, data, 0, 1, every=every)
        model.save("model.keras")
        fit(model, data, 1, 3, every=every)
    with multitrack.start_run(run_id=run.id) as run:
        fit(keras.models.load_model("model.keras"), (data[0][:20], data[1][:20]), 1, 3, every=every)
    assert steps(recorded(run)) == [0, 1, 2, 1, 2]
    assert steps(recorded(run), "batch/loss") == ([] if every == "epoch" else [*range(1, 16), *range(6, 10)])
    everything_is_there(run, caplog)


@pytest.mark.parametrize("begin", [0, 2])
def test_another_model_that_was_trained_elsewhere_keeps_all_points(compiled, data, recorded, caplog, begin):
    """Fine-tuned in a continued run, in which epochs and batches of these numbers are held."""
    with multitrack.start_run() as run:
        fit(compiled(), data, 0, 6)
    other = compiled()
    other.fit(data[0][:30], data[1][:30], batch_size=10, verbose=0)
    with multitrack.start_run(run_id=run.id) as run:
        fit(loaded(other), data, begin, begin + 2)
    assert steps(recorded(run)) == [*range(6), begin, begin + 1]
    assert steps(recorded(run), "batch/loss") == [*range(1, 31), *range(4, 14)]
    everything_is_there(run, caplog)


def test_a_model_of_another_name_keeps_all_points(compiled, data, recorded, caplog):
    """Though it was trained elsewhere just as far."""
    models = {name: compiled() for name in ("student", "teacher")}
    for name, model in models.items():
        model.name = name
    with multitrack.start_run() as run:
        fit(models["student"], data, 0, 4)
    models["teacher"].fit(*data, epochs=2, batch_size=10, verbose=0)
    with multitrack.start_run(run_id=run.id) as run:
        fit(loaded(models["teacher"]), data, 2, 4)
    assert steps(recorded(run)) == [0, 1, 2, 3, 2, 3]
    assert steps(recorded(run), "batch/loss") == [*range(1, 21), *range(11, 21)]
    everything_is_there(run, caplog)


def test_a_backup_of_another_model_repeats_nothing_of_one_that_is_done(compiled, data, recorded, caplog):
    """Two models with a backup each, in a loop that is started again as a new run: one is done, one goes on."""
    with pytest.raises(KeyboardInterrupt), multitrack.start_run():
        fit(compiled(), data, 0, 4, Stop(2, 2), backup(name="b"))
    with multitrack.start_run() as run:
        fit(compiled(), data, 0, 4, backup(name="a"))
        fit(compiled(), data, 0, 4, backup(name="b"))
    assert steps(recorded(run)) == [0, 1, 2, 3, 2, 3]
    assert steps(recorded(run), "batch/loss") == [*range(1, 21), *range(11, 21)]
    everything_is_there(run, caplog)


@pytest.mark.parametrize("begin", [0, 2])
def test_a_new_model_in_a_continued_run_keeps_all_points(compiled, data, recorded, caplog, begin):
    with multitrack.start_run() as run:
        fit(compiled(), data, 0, 3)
    with multitrack.start_run(run_id=run.id) as run:
        fit(compiled(), data, begin, begin + 2)
    assert steps(recorded(run)) == [0, 1, 2, begin, begin + 1]
    everything_is_there(run, caplog)


def test_an_older_model_trained_from_its_first_epoch_again_keeps_all_points(compiled, data, recorded, caplog):
    """Not repeated: this epoch began as Keras' third, and now as its first."""
    model = compiled()
    with multitrack.start_run() as run:
        fit(model, data, 0, 2)
        older = loaded(model)
        fit(model, data, 2, 4)
    with multitrack.start_run(run_id=run.id) as run:
        fit(older, data, 0, 2)
    assert steps(recorded(run)) == [0, 1, 2, 3, 0, 1]
    assert steps(recorded(run), "batch/loss") == [*range(1, 21), *range(11, 21)]
    everything_is_there(run, caplog)


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_data_of_unknown_length_in_a_continued_run(compiled, data, recorded, of_unknown_length):
    """TensorFlow's optimizer counts the end of the data as a batch; the steps do not."""
    model = compiled()
    how = {"shuffle": False, "verbose": 0}
    with multitrack.start_run() as run:
        model.fit(of_unknown_length(data), epochs=2, callbacks=[TrackingCallback(run, 1)], **how)
        older = loaded(model)
        model.fit(of_unknown_length(data), initial_epoch=2, epochs=3, callbacks=[TrackingCallback(run, 1)], **how)
    with multitrack.start_run(run_id=run.id) as run:
        older.fit(of_unknown_length(data), initial_epoch=2, epochs=5, callbacks=[TrackingCallback(run, 1)], **how)
    assert steps(recorded(run)) == [0, 1, 2, 3, 4]
    assert steps(recorded(run), "batch/loss") == list(range(1, 26))
    assert (run.flush().skipped_epochs, run.flush().skipped_batches) == (1, 5)


def test_a_backup_from_the_middle_of_an_epoch_in_a_continued_run(compiled, data, recorded):
    model = compiled()

    class Save(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.model.optimizer.iterations == 12:
                self.model.save("model.keras")

    with pytest.raises(KeyboardInterrupt), multitrack.start_run() as run:
        fit(model, data, 0, 4, Save(), Stop(2, 3))
    with multitrack.start_run(run_id=run.id) as run:
        fit(keras.models.load_model("model.keras"), data, 2, 4)
    assert steps(recorded(run)) == [0, 1, 2, 3]
    assert steps(recorded(run), "batch/loss") == list(range(1, 23))
    assert run.flush().skipped_batches == 2


def test_epochs_alone_are_repeated_as_well(compiled, data, recorded, caplog):
    model = compiled()
    with multitrack.start_run() as run:
        fit(model, data, 0, 2, every="epoch")
        older = loaded(model)
        fit(model, data, 2, 4, every="epoch")
    with multitrack.start_run(run_id=run.id) as run:
        fit(older, data, 2, 6, every=1)  # batches are recorded only now
    assert steps(recorded(run)) == [0, 1, 2, 3, 4, 5]
    assert steps(recorded(run), "batch/loss") == list(range(11, 31))
    assert (run.flush().skipped_epochs, run.flush().skipped_batches) == (2, 0)
    assert "2 epochs, which" in said(caplog)[0]


# -- what is shown ------------------------------------------------------------------------------------------------

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
