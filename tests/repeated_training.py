"""Trainings that are interrupted and go on, and what is said of those epochs that a run holds already."""

from typing import Any

import keras

from multitrack.keras import TrackingCallback


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


def backup(save: Any = "epoch", name: str = "backup") -> Any:
    return keras.callbacks.BackupAndRestore(name, save_freq=save)
