"""Read the learning rate from the model's optimizers after each batch, or predict it for later batches.

On JAX the training state is not in the model's variables while an epoch runs. ``Callback.model`` copies all of it back,
and the next batch takes it out again, which costs far more than the rest of the work per batch. The learning rate alone
can be read from the state that Keras keeps for callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import keras
import numpy as np

from multitrack.keras import internals
from multitrack.keras import model as models

_BATCH_HOOKS: Final = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def learning_rates(model: Any) -> dict[str, float]:
    """Return the current learning rates: of a float, a variable, or a schedule at the optimizer's iteration.

    Returns:
        ``learning_rate``, or ``learning_rate/0``, ``learning_rate/1``, … with several optimizers.
    """
    return _named([models.number(optimizer.learning_rate) for optimizer in models.optimizers_of(model)])


def _named(rates: list[float]) -> dict[str, float]:
    """Return the learning rates by name, in the order of the optimizers."""
    if len(rates) == 1:
        return {"learning_rate": rates[0]}
    return {f"learning_rate/{i}": rate for i, rate in enumerate(rates)}


class Rates:
    """Reads the learning rates of one epoch from the variables that :meth:`remember` found.

    A schedule is not a variable. For schedules, and whenever something is unexpected, :meth:`read` returns ``None``,
    and the rates must be read from the model.
    """

    def __init__(self) -> None:
        self._optimizer: Any = None
        self._found: list[tuple[str, Any, Any, int, Callable[[], Any]]] | None = None

    def remember(self, model: Any, rates: dict[str, float]) -> None:
        """Look up the variables of these rates in a model whose variables are up to date."""
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
        """Return the rates in the form of :func:`learning_rates`, or None if they must be read from the model.

        Args:
            model: The model as it was handed to the callback, not ``Callback.model``.
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
            # float() of a JAX array takes ten times as long as through numpy.
            rates[name] = float(value() if variables is None else np.asarray(variables[place]))
        return rates


def is_steady(model: Any, others: Sequence[Any] | None) -> bool:
    """Return True if no code but Keras' own runs within an epoch, so that it leaves a constant learning rate alone.

    Args:
        model: The model that is trained.
        others: All other callbacks of its ``fit``; ``None`` if they are not known.
    """
    return (
        others is not None
        and all(map(_leaves_batches_alone, others))
        and _trains_as_keras(model)
        and internals.by_keras(type(models.optimizer_of(model)).__module__)
        and all(map(_has_constant_rate, models.optimizers_of(model)))
    )


def _leaves_batches_alone(callback: Any) -> bool:
    if any(hook in getattr(callback, "__dict__", ()) for hook in _BATCH_HOOKS):  # such as those of a LambdaCallback
        return False
    kind, default = type(callback), keras.callbacks.Callback
    return internals.by_keras(kind.__module__) or all(
        getattr(kind, hook, None) is getattr(default, hook) for hook in _BATCH_HOOKS
    )


def _has_constant_rate(optimizer: Any) -> bool:
    inner = internals.inner_optimizer(optimizer)
    ours = all(internals.by_keras(type(one).__module__) for one in (optimizer, inner))
    return ours and internals.is_variable(internals.rate_source(inner))


def _trains_as_keras(model: Any) -> bool:
    return isinstance(model, keras.Model) and all(
        getattr(getattr(model, name, None), "__func__", None) is getattr(keras.Model, name)
        for name in ("train_step", "make_train_function")
    )


def foreseen(model: Any) -> Callable[[int], dict[str, float]] | None:
    """Predict the learning rates after each batch from now on, as long as only their schedules change them.

    Returns:
        A thread-safe function that takes a number of batches from now and returns the rates in the form of
        :func:`learning_rates`. ``None`` if they depend on more: with loss scaling, a batch that overflows does not
        advance a schedule, and a custom optimizer is unpredictable.
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
    """Return True if a batch's number and learning rate follow from its index in the epoch.

    False with several steps per execution, since the end of the data may cut the last one short. False also with a
    custom ``train_step``, which may do anything.
    """
    return _trains_as_keras(model) and model.steps_per_execution == 1 and foreseen(model) is not None
