"""The names of Keras that no documentation promises, each with the public way that is taken where it is missing.

No other module of this folder uses one. ``tests/keras/test_internals.py`` says which of them the installed release has.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import keras

_ON_JAX: Final = keras.config.backend() == "jax"
_RELEASE: Final = tuple(int(part) for part in keras.version().split(".")[:2])

#: Whether batches that are trained at once are reported by the number of the last of them; before, by the first.
REPORTS_LAST_BATCH: Final = _RELEASE >= (3, 11)

#: By the class that has them.
NAMES: Final = {
    "Model": ("_initial_epoch", *(("_jax_state", "_jax_state_synced") if _ON_JAX else ())),
    "Optimizer": ("_iterations", "_learning_rate"),
    "LossScaleOptimizer": ("inner_optimizer",),
    "MultiOptimizer": ("optimizers",),
    "ModelCheckpoint": ("filepath", "mode", "monitor", "monitor_op", "save_best_only", "save_freq"),
}


def has_initial_epoch(model: Any) -> bool:
    """Whether this release of Keras notes in the model where ``BackupAndRestore`` begins."""
    return hasattr(model, "_initial_epoch")


def initial_epoch(model: Any) -> int | None:
    """The epoch that ``BackupAndRestore`` has told the model to begin with; it stays there for good.

    Returns:
        None before any was restored, and in a release of Keras that does not note it.
    """
    return getattr(model, "_initial_epoch", None)


def inner_optimizer(optimizer: Any) -> Any:
    """The optimizer that a ``LossScaleOptimizer`` wraps; any other is given back."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def scales_loss(optimizer: Any) -> bool:
    """Whether it leaves out the batches that overflow."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or hasattr(optimizer, "inner_optimizer")


def each_optimizer(optimizer: Any) -> list[Any]:
    """The optimizers of a ``MultiOptimizer``; any other is the only one."""
    several = getattr(optimizer, "optimizers", None)
    return list(several) if several else [optimizer]


def batches_counted(optimizer: Any) -> Any:
    """How many batches an optimizer has seen, as a variable or tensor; None if it does not count.

    The public ``iterations`` is this number, divided by the batches that it accumulates gradients over and rounded
    down. Where only that is known, the batches since the last update are not.
    """
    counted = getattr(optimizer, "_iterations", None)
    if counted is not None:
        return counted
    updates = getattr(optimizer, "iterations", None)
    accumulated = getattr(optimizer, "gradient_accumulation_steps", None)
    return updates if updates is None or not accumulated else updates * accumulated


def counts_exactly(optimizer: Any) -> bool:
    """Whether :func:`batches_counted` knows the batches since the last update as well."""
    return hasattr(optimizer, "_iterations") or not getattr(optimizer, "gradient_accumulation_steps", None)


def rate_source(optimizer: Any) -> Any:
    """The variable or schedule that an optimizer takes its learning rate from.

    Returns:
        None where that is not known: the public ``learning_rate`` of a schedule is the value that it has now.
    """
    source = getattr(optimizer, "_learning_rate", None)
    if source is not None:
        return source
    rate = optimizer.learning_rate
    return rate if is_variable(rate) else None


def is_variable(value: Any) -> bool:
    """Whether it is one of Keras' variables; in Keras 3.5 the optimizers' are no ``keras.Variable``."""
    return isinstance(value, keras.Variable) or (hasattr(value, "assign") and hasattr(value, "value"))


def variables_on_jax(model: Any) -> Sequence[Any] | None:
    """The optimizer's variables as the last batch has left them, where Keras on JAX keeps them outside of the model.

    ``Callback.model`` puts them back into the model, which costs far more than to read one of them.

    Returns:
        None where the variables of the model are as they should be.

    Raises:
        LookupError: It cannot be told; ``Callback.model`` must be asked.
    """
    if not _ON_JAX:
        return None
    synced = getattr(model, "_jax_state_synced", None)
    if synced:
        return None
    state = getattr(model, "_jax_state", None)
    if synced is None or not state:
        raise LookupError("_jax_state")
    variables: Sequence[Any] = state["optimizer_variables"]
    return variables


def variable_reader(variable: Any) -> Callable[[], Any]:
    """What gives a variable's value: on TensorFlow the operation alone, at half the price of all that is around it."""
    value = variable.value
    if not hasattr(type(value), "__float__"):  # under tf.distribute, where each replica has a variable of its own
        return functools.partial(keras.ops.convert_to_numpy, variable)
    if type(value).__name__ == "ResourceVariable" and "tensorflow" in sys.modules:
        operation = sys.modules["tensorflow"].raw_ops.ReadVariableOp
        return functools.partial(operation, resource=value.handle, dtype=value.dtype)
    return lambda: variable.value


def is_better(checkpoint: Any, value: float, other: float) -> bool:
    """Whether a ``ModelCheckpoint`` takes ``value`` for better than ``other``.

    Keras 3.15 has no ``monitor_op`` before the checkpoint's first epoch has ended; earlier releases always have it.
    Without it, ``mode`` counts, and where that is ``"auto"``, the rule that Keras 3.5 has: more is better of an
    accuracy.
    """
    compare = getattr(checkpoint, "monitor_op", None)
    if compare is not None:
        return bool(compare(value, other))
    mode, monitor = getattr(checkpoint, "mode", "auto"), str(getattr(checkpoint, "monitor", ""))
    more = mode == "max" or (mode != "min" and ("acc" in monitor or monitor.startswith("fmeasure")))
    return value > other if more else value < other
