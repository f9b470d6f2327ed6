"""Points are left out only where a training is known to be repeated, and then it is said how many."""

from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback
from multitrack.keras.resume import Mark
from repeated_training import Stop, backup, everything_is_there, fit, loaded, said, steps

pytestmark = [pytest.mark.case(2), pytest.mark.usefixtures("eagerly")]


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


@pytest.mark.long(
    "epoch-2-repeated0-the same model-before ours",
    "2-2-repeated1-the same model-after ours",
    "epoch-2-repeated0-another object-after ours",
)
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
