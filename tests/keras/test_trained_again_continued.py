"""In a continued run, points are left out only where a training is known to be repeated."""

from typing import Any

import keras
import pytest

import multitrack
from multitrack.keras import TrackingCallback
from repeated_training import Stop, backup, everything_is_there, fit, loaded, said, steps

pytestmark = [pytest.mark.case(2), pytest.mark.usefixtures("eagerly")]


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
