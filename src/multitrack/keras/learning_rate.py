"""The learning rate after each batch, for less than asking the model costs.

On JAX the state of a training is not in the model's variables while an epoch runs. ``Callback.model`` brings all of it
back, and the next batch takes it out again, which costs many times what else is done at a batch. The
rate alone can be read out of the state that Keras keeps for callbacks.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from multitrack.keras import model as models


class Rates:
    """Reads the learning rates of one epoch, from where :meth:`remember` found them.

    Schedules are no variables; for them, and wherever something is not as expected, :meth:`read` gives ``None``, and
    the model has to be asked.
    """

    def __init__(self) -> None:
        self._optimizer: Any = None
        self._found: list[tuple[str, Any, Any, int, Callable[[], Any]]] | None = None

    def remember(self, model: Any, rates: dict[str, float]) -> None:
        """Look up the variables that hold these rates of a model whose variables are as they should be."""
        self._found, self._optimizer = None, models.optimizer_of(model)
        places = {id(variable): i for i, variable in enumerate(getattr(self._optimizer, "variables", ()))}
        optimizers = models.optimizers_of(model)
        if len(optimizers) != len(rates):
            return
        found = []
        for name, optimizer in zip(rates, optimizers, strict=True):
            variable = optimizer.learning_rate
            if not isinstance(variable, keras.Variable) or id(variable) not in places:
                return
            found.append((name, optimizer, variable, places[id(variable)], _reader(variable)))
        self._found = found

    def read(self, model: Any) -> dict[str, float] | None:
        """The rates as :func:`multitrack.keras.model.learning_rates` has them.

        Args:
            model: As it was handed to the callback, not as ``Callback.model`` gives it.
        """
        if not self._found or models.optimizer_of(model) is not self._optimizer:
            return None
        state = None
        if not getattr(model, "_jax_state_synced", True):
            state = getattr(model, "_jax_state", None)
            if not state:
                return None
        rates = {}
        for name, optimizer, variable, place, value in self._found:
            if optimizer.learning_rate is not variable:  # replaced by a schedule
                return None
            # float() of a JAX array takes ten times as long as numpy's way.
            rates[name] = float(value() if state is None else np.asarray(state["optimizer_variables"][place]))
        return rates


def foreseen(model: Any) -> Callable[[int], dict[str, float]] | None:
    """The learning rates after each batch from now on, for as long as nothing but their schedules changes them.

    Returns:
        A function of how many batches from now, for any thread, that gives what
        :func:`multitrack.keras.model.learning_rates` would. ``None`` where they depend on more: with loss scaling, a
        batch that overflows does not move a schedule on, and an optimizer of the user's own may do as it likes.
    """
    rates: list[Callable[[int], Any]] = []
    for optimizer in models.optimizers_of(model):
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if type(inner).learning_rate is not keras.optimizers.Optimizer.learning_rate:
            return None
        source = inner._learning_rate
        if isinstance(source, keras.Variable):
            rates.append(lambda _, rate=float(source): rate)  # type: ignore[misc]
        elif isinstance(source, keras.optimizers.schedules.LearningRateSchedule) and inner is optimizer:
            rates.append(_scheduled(source, optimizer))
        else:
            return None
    return lambda batches: models.named([float(rate(batches)) for rate in rates])


def _scheduled(schedule: Any, optimizer: Any) -> Callable[[int], Any]:
    now, kind = int(optimizer._iterations), optimizer._iterations.dtype
    return lambda batches: schedule(keras.ops.convert_to_tensor(now + batches, kind))


def _reader(variable: Any) -> Callable[[], Any]:
    """What gives a variable's value: on TensorFlow the operation alone, at half the price of all that is around it."""
    value = variable.value
    if not hasattr(type(value), "__float__"):  # under tf.distribute, where each replica has a variable of its own
        return functools.partial(keras.ops.convert_to_numpy, variable)
    if type(value).__name__ == "ResourceVariable" and "tensorflow" in sys.modules:
        operation = sys.modules["tensorflow"].raw_ops.ReadVariableOp
        return functools.partial(operation, resource=value.handle, dtype=value.dtype)
    return lambda: variable.value
