"""The learning rate: read from the model's optimizers, after each batch, and foreseen for the batches to come.

On JAX the state of a training is not in the model's variables while an epoch runs. ``Callback.model`` brings all of it
back, and the next batch takes it out again, which costs many times what else is done at a batch. The
rate alone can be read out of the state that Keras keeps for callbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from multitrack.keras import internals
from multitrack.keras import model as models


def learning_rates(model: Any) -> dict[str, float]:
    """The learning rate as it is now: a float, a variable, or a schedule at the optimizer's iteration.

    Returns:
        ``learning_rate``, or ``learning_rate/0``, ``learning_rate/1``, … of several optimizers.
    """
    return _named([models.number(optimizer.learning_rate) for optimizer in models.optimizers_of(model)])


def _named(rates: list[float]) -> dict[str, float]:
    """Learning rates under their names, in the order of the optimizers."""
    if len(rates) == 1:
        return {"learning_rate": rates[0]}
    return {f"learning_rate/{i}": rate for i, rate in enumerate(rates)}


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
            if not internals.is_variable(variable) or id(variable) not in places:
                return
            found.append((name, optimizer, variable, places[id(variable)], internals.variable_reader(variable)))
        self._found = found

    def read(self, model: Any) -> dict[str, float] | None:
        """The rates as :func:`learning_rates` has them.

        Args:
            model: As it was handed to the callback, not as ``Callback.model`` gives it.
        """
        if not self._found or models.optimizer_of(model) is not self._optimizer:
            return None
        try:
            variables = internals.variables_on_jax(model)
        except LookupError:
            return None
        rates = {}
        for name, optimizer, variable, place, value in self._found:
            if optimizer.learning_rate is not variable:  # replaced by a schedule
                return None
            # float() of a JAX array takes ten times as long as numpy's way.
            rates[name] = float(value() if variables is None else np.asarray(variables[place]))
        return rates


def foreseen(model: Any) -> Callable[[int], dict[str, float]] | None:
    """The learning rates after each batch from now on, for as long as nothing but their schedules changes them.

    Returns:
        A function of how many batches from now, for any thread, that gives what :func:`learning_rates` would. ``None``
        where they depend on more: with loss scaling, a batch that overflows does not move a schedule on, and an
        optimizer of the user's own may do as it likes.
    """
    rates: list[Callable[[int], Any]] = []
    for optimizer in models.optimizers_of(model):
        inner = internals.inner_optimizer(optimizer)
        if type(inner).learning_rate is not keras.optimizers.Optimizer.learning_rate:
            return None
        source = internals.rate_source(inner)
        if internals.is_variable(source):
            rates.append(lambda _, rate=float(source): rate)  # type: ignore[misc]
        elif isinstance(source, keras.optimizers.schedules.LearningRateSchedule) and (
            inner is optimizer and internals.counts_exactly(optimizer)
        ):
            rates.append(_scheduled(source, optimizer))
        else:
            return None
    return lambda batches: _named([float(rate(batches)) for rate in rates])


def _scheduled(schedule: Any, optimizer: Any) -> Callable[[int], Any]:
    counted: Any = internals.batches_counted(optimizer)
    now, kind = int(models.number(counted)), counted.dtype
    return lambda batches: schedule(keras.ops.convert_to_tensor(now + batches, kind))


def foretold(model: Any) -> bool:
    """Whether a batch's number and learning rate follow from its place in the epoch.

    Not so with several steps per execution, the last of which may be cut short by the end of the data, nor with a
    ``train_step`` of the user's own, which may do anything.
    """
    return (
        isinstance(model, keras.Model)
        and model.steps_per_execution == 1
        and all(
            getattr(getattr(model, name, None), "__func__", None) is getattr(keras.Model, name)
            for name in ("train_step", "make_train_function")
        )
        and foreseen(model) is not None
    )
