"""Access to undocumented Keras names, each with a public fallback.

No other module of this folder uses such a name. ``tests/keras/test_internals.py`` checks which of them the installed
release has.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import keras

_ON_JAX: Final = keras.config.backend() == "jax"
_RELEASE: Final = tuple(int(part) for part in keras.version().split(".")[:2])

#: True if Keras may call the hooks of batches on threads of its own.
MAY_DISPATCH: Final = keras.config.backend() != "tensorflow"

#: True if Keras reports batches trained at once by the number of the last one; older releases use the first.
REPORTS_LAST_BATCH: Final = _RELEASE >= (3, 11)

#: Undocumented names by class.
NAMES: Final = {
    "Model": ("_initial_epoch", *(("_jax_state", "_jax_state_synced") if _ON_JAX else ())),
    "Optimizer": ("_iterations", "_learning_rate"),
    "LossScaleOptimizer": ("inner_optimizer",),
    "MultiOptimizer": ("optimizers",),
    "ModelCheckpoint": ("filepath", "mode", "monitor", "monitor_op", "save_best_only", "save_freq"),
}


def has_initial_epoch(model: Any) -> bool:
    """Return True if this Keras release stores the epoch of ``BackupAndRestore`` in the model."""
    return hasattr(model, "_initial_epoch")


def initial_epoch(model: Any) -> int | None:
    """Return the start epoch that ``BackupAndRestore`` has set in the model, where it stays for good.

    Returns:
        None before any restore, and in a Keras release that does not store it.
    """
    return getattr(model, "_initial_epoch", None)


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer that a ``LossScaleOptimizer`` wraps, or any other optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def scales_loss(optimizer: Any) -> bool:
    """Return True if the optimizer skips the batches that overflow."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or hasattr(optimizer, "inner_optimizer")


def each_optimizer(optimizer: Any) -> list[Any]:
    """Return the optimizers of a ``MultiOptimizer``, or a list of any other optimizer alone."""
    several = getattr(optimizer, "optimizers", None)
    return list(several) if several else [optimizer]


def batches_counted(optimizer: Any) -> Any:
    """Return the number of batches an optimizer has seen, as a variable or tensor; None if it does not count.

    The public ``iterations`` is this number divided by ``gradient_accumulation_steps``, rounded down. The fallback
    computed from it misses the batches since the last update.
    """
    counted = getattr(optimizer, "_iterations", None)
    if counted is not None:
        return counted
    updates = getattr(optimizer, "iterations", None)
    accumulated = getattr(optimizer, "gradient_accumulation_steps", None)
    return updates if updates is None or not accumulated else updates * accumulated


def counts_exactly(optimizer: Any) -> bool:
    """Return True if :func:`batches_counted` includes the batches since the last update."""
    return hasattr(optimizer, "_iterations") or not getattr(optimizer, "gradient_accumulation_steps", None)


def rate_source(optimizer: Any) -> Any:
    """Return the variable or schedule of an optimizer's learning rate.

    Returns:
        None if unknown: with a schedule, the public ``learning_rate`` is only its current value.
    """
    source = getattr(optimizer, "_learning_rate", None)
    if source is not None:
        return source
    rate = optimizer.learning_rate
    return rate if is_variable(rate) else None


def is_variable(value: Any) -> bool:
    """Return True for a Keras variable. In Keras 3.5 an optimizer's variables are not ``keras.Variable``."""
    return isinstance(value, keras.Variable) or (hasattr(value, "assign") and hasattr(value, "value"))


def variables_on_jax(model: Any) -> Sequence[Any] | None:
    """Return the optimizer's variables after the last batch, which Keras on JAX keeps outside of the model.

    ``Callback.model`` writes them back into the model, which costs far more than reading one of them.

    Returns:
        None if the variables of the model are up to date.

    Raises:
        LookupError: The state is unknown; use ``Callback.model`` instead.
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
    """Return a function that reads a variable. On TensorFlow it runs the bare operation, at half the cost."""
    value = variable.value
    if not hasattr(type(value), "__float__"):  # under tf.distribute, where each replica has its own variable
        return functools.partial(keras.ops.convert_to_numpy, variable)
    if type(value).__name__ == "ResourceVariable" and "tensorflow" in sys.modules:
        operation = sys.modules["tensorflow"].raw_ops.ReadVariableOp
        return functools.partial(operation, resource=value.handle, dtype=value.dtype)
    return lambda: variable.value


def callbacks_beside(callback: Any) -> list[Any] | None:
    """Return the other callbacks of the ``fit`` that is calling a hook of this one.

    Keras tells a callback nothing about the others, so this looks at the functions that are calling.

    Returns:
        None if it is not Keras' own ``fit`` and list of callbacks that call, as in a custom loop, or a callback that
        calls others.
    """
    frame = sys._getframe(1)
    while frame is not None and type(frame.f_locals.get("self")) is not keras.callbacks.CallbackList:
        frame = frame.f_back  # type: ignore[assignment]
    caller = None if frame is None else frame.f_back
    if caller is None or (caller.f_code.co_name, by_keras(caller.f_globals["__name__"])) != ("fit", True):
        return None
    listed = frame.f_locals["self"].callbacks
    others = [other for other in listed if other is not callback]
    return others if len(others) < len(listed) else None


def by_keras(module: str) -> bool:
    """Return True for the name of one of Keras' own modules."""
    return module.startswith("keras.")


def is_better(checkpoint: Any, value: float, other: float) -> bool:
    """Return True if a ``ModelCheckpoint`` considers ``value`` better than ``other``.

    Keras 3.15 has no ``monitor_op`` before the checkpoint's first epoch has ended; earlier releases always have it.
    Without it, ``mode`` decides. For ``"auto"``, the rule of Keras 3.5 applies: higher is better for an accuracy or
    ``fmeasure``, lower for anything else.
    """
    compare = getattr(checkpoint, "monitor_op", None)
    if compare is not None:
        return bool(compare(value, other))
    mode, monitor = getattr(checkpoint, "mode", "auto"), str(getattr(checkpoint, "monitor", ""))
    more = mode == "max" or (mode != "min" and ("acc" in monitor or monitor.startswith("fmeasure")))
    return value > other if more else value < other
