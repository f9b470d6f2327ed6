"""Names that Keras does not promise: which of them the installed release has, and what is done without each."""

from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback, internals
from multitrack.keras import model as models
from multitrack.keras.learning_rate import foreseen, learning_rates
from multitrack.keras.resume import Mark

BACKEND = keras.config.backend()
STORED = keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1)


class Without:
    """Stands for an object of a release that lacks some names."""

    def __init__(self, whole: Any, *names: str) -> None:
        self._whole, self._names = whole, names

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            raise AttributeError(name)
        return getattr(self._whole, name)


def test_the_names_that_the_installed_release_has(compiled, data):
    model = compiled()
    model.fit(*data, verbose=0)
    having = {
        "Model": model,
        "Optimizer": model.optimizer,
        "LossScaleOptimizer": keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
        "ModelCheckpoint": keras.callbacks.ModelCheckpoint("saved.keras"),
    }
    missing = {
        f"{owner}.{name}"
        for owner, names in internals.NAMES.items()
        if owner in having
        for name in names
        if not hasattr(having[owner], name)
    }
    assert missing == ({"ModelCheckpoint.mode"} if keras.version().startswith("3.5.") else set())


def test_without_the_count_of_batches_the_updates_tell_it(compiled, data):
    plain, accumulated = compiled(), compiled(optimizer=keras.optimizers.SGD(gradient_accumulation_steps=2))
    for model in (plain, accumulated):
        model.fit(*data, batch_size=10, verbose=0)
        assert models.batches_trained(model) == 5
    counted = [
        int(internals.batches_counted(Without(model.optimizer, "_iterations"))) for model in (plain, accumulated)
    ]
    assert counted == [5, 4]  # the one since the last update cannot be known
    assert internals.counts_exactly(Without(plain.optimizer, "_iterations"))
    assert not internals.counts_exactly(Without(accumulated.optimizer, "_iterations"))


def test_without_its_source_a_rate_is_foreseen_where_it_is_constant(compiled, monkeypatch):
    def lacking(optimizer: Any) -> Any:
        return given(Without(optimizer, "_learning_rate"))

    given = internals.rate_source
    constant, scheduled = compiled(), compiled(optimizer=keras.optimizers.SGD(STORED))
    assert foreseen(scheduled) is not None
    monkeypatch.setattr(internals, "rate_source", lacking)
    rates = foreseen(constant)
    assert rates is not None
    assert rates(3) == learning_rates(constant)
    assert foreseen(scheduled) is None


@pytest.mark.backends("jax")
@pytest.mark.parametrize("name", ["_jax_state", "_jax_state_synced"])
def test_without_the_state_on_jax_the_model_is_asked(compiled, data, recorded, monkeypatch, name):
    class Sets(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.5 / (batch + 1)

    whole, lacking = internals.variables_on_jax, []

    def variables(model: Any) -> Any:
        lacking.append(name)
        return whole(Without(model, name))

    monkeypatch.setattr(internals, "variables_on_jax", variables)
    with multitrack.start_run() as run:
        compiled().fit(*data, batch_size=10, verbose=0, callbacks=[Sets(), TrackingCallback(run, 1)])
    rates = [point.value for point in recorded(run).get_metrics()["batch/learning_rate"]]
    assert rates == [float(np.float32(0.5 / n)) for n in (1, 2, 3, 4, 5)]
    assert lacking


def test_a_restored_model_is_told_by_its_count_without_the_epoch(compiled, data):
    model = compiled()
    before = Mark.of(Without(model, "_initial_epoch"))
    assert before.initial_epoch is None
    model.fit(*data, batch_size=10, verbose=0)
    counted = Mark.of(model).counted
    assert not Mark(None, counted).was_restored(model)  # nothing says that it was
    without = Mark(None, counted - 1), Mark(None, counted)

    class Other(type(model)):  # type: ignore[misc]
        """Of a release that does not note the epoch."""

        def __getattribute__(self, name: str) -> Any:
            if name == "_initial_epoch":
                raise AttributeError(name)
            return super().__getattribute__(name)

    model.__class__ = Other
    assert [mark.was_restored(model) for mark in without] == [True, False]


@pytest.mark.parametrize(
    ("monitor", "mode", "better"),
    [
        ("val_loss", "auto", 1.0), ("val_accuracy", "auto", 2.0), ("val_loss", "max", 2.0), ("accuracy", "min", 1.0),
    ],
)  # fmt: skip
def test_without_a_comparison_the_mode_and_the_name_say_what_is_better(monitor, mode, better):
    class Before:
        """A checkpoint whose comparison is not there, or not yet."""

        def __init__(self) -> None:
            self.monitor, self.mode, self.monitor_op = monitor, mode, None

    other = 3.0 - better
    assert internals.is_better(Before(), better, other)
    assert not internals.is_better(Before(), other, better)
    assert not internals.is_better(Before(), better, better)


def test_a_new_checkpoint_of_a_continued_run_knows_its_best(compiled, data, recorded, project):
    """Keras 3.15 says only once an epoch has ended which way is better."""

    class Losses(keras.callbacks.Callback):
        """Says what the loss of each epoch was."""

        def __init__(self, *losses: float) -> None:
            super().__init__()
            self.losses = losses

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["loss"] = self.losses[epoch]

    run_id = None
    for part, losses in (("a", (0.5, 0.2)), ("b", (0.4, 0.3)), ("c", (0.9, 0.1))):
        with multitrack.start_run(run_id=run_id) as run:
            run_id = run.id
            saves = keras.callbacks.ModelCheckpoint(str(project / f"{part}{{epoch}}.keras"), monitor="loss")
            callbacks = [Losses(*losses), saves, TrackingCallback(run, checkpoint=saves)]
            compiled().fit(*data, epochs=2, verbose=0, callbacks=callbacks)
        best = [ref for ref in recorded(run).summary().artifacts if ref.name == "checkpoint-best"]
        assert best[-1].uri.endswith({"a": "a2.keras", "b": "a2.keras", "c": "c2.keras"}[part])
        assert recorded(run).summary().mistakes == 0
