"""Read the properties of a Keras model, its optimizers and its loss, on every Keras backend."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import keras

from multitrack.keras import internals


def optimizer_of(model: Any) -> Any:
    """Return the optimizer of a compiled Keras model; ``None`` for any other object, and before compilation.

    Attributes of other objects are not read: their ``optimizer`` may mean anything.
    """
    optimizer = getattr(model, "optimizer", None) if isinstance(model, keras.Model) else None
    return optimizer if isinstance(optimizer, keras.optimizers.Optimizer) else None


def optimizers_of(model: Any) -> list[Any]:
    """Return the optimizers of a compiled model: none, one, or those of a ``MultiOptimizer``."""
    optimizer = optimizer_of(model)
    return [] if optimizer is None else internals.each_optimizer(optimizer)


def steps_at_once(model: Any) -> int:
    """Return the number of batches that Keras reports at once."""
    several = getattr(model, "steps_per_execution", None) if isinstance(model, keras.Model) else None
    return several if isinstance(several, int) and several > 0 else 1


def batches_trained(model: Any) -> int:
    """Return the number of batches the optimizer has seen, with gradient accumulation counted per batch."""
    counted = internals.batches_counted(internals.inner_optimizer(optimizer_of(model)))
    return 0 if counted is None else int(number(counted))


def counts_each_batch(model: Any) -> bool:
    """Return True if the optimizer counts every batch. With loss scaling it skips those that overflow."""
    return not internals.scales_loss(optimizer_of(model))


def optimizer_params(model: Any) -> dict[str, Any]:
    """Return the optimizer's config, or with several optimizers their configs by index."""
    configs = [
        {**optimizer.get_config(), "class": type(optimizer).__name__, "name": _name(optimizer)}
        for optimizer in optimizers_of(model)
    ]
    if len(configs) == 1:
        return configs[0]
    return {str(i): config for i, config in enumerate(configs)}


def model_params(model: Any) -> dict[str, Any]:
    """Return name, class and parameter counts of a built model, and its input and output shapes if it has them."""
    trainable = _count(model.trainable_weights)
    frozen = _count(model.non_trainable_weights)
    params = {
        "name": _name(model),
        "class": type(model).__name__,
        "params": trainable + frozen,
        "trainable_params": trainable,
        "non_trainable_params": frozen,
        "params_bytes": sum(math.prod(weight.shape) * _bits(weight.dtype) for weight in model.weights) // 8,
    }
    # As text, since that is how Keras shows them. A subclassed model has none.
    shapes = {name: getattr(model, name, None) for name in ("input_shape", "output_shape")}
    return {**params, **{name: str(shape) for name, shape in shapes.items() if shape is not None}}


def name_of(model: Any) -> str | None:
    """Return the name of a Keras model, which survives saving and loading; None for any other object."""
    return str(model.name) if isinstance(model, keras.Model) else None


def may_be_named(model: Any, name: str | None) -> bool:
    """Return True if a model of this name may be the same one, built again. Keras numbers its default names."""
    own = name_of(model)
    if own is None or name is None or own == name:
        return True
    stem = _name(model)
    by_keras = stem.replace("_", "") == type(model).__name__.lower()
    return by_keras and re.fullmatch(rf"{re.escape(stem)}(_\d+)?", name) is not None


def summary_lines(model: Any) -> list[str]:
    """Return ``model.summary()`` as plain text, 100 columns wide on any terminal."""
    parts: list[str] = []
    model.summary(print_fn=parts.append, line_length=100)
    return "\n".join(parts).rstrip().split("\n")


def loss_names(loss: Any) -> Any:
    """Return the loss, or the losses by output, as names."""
    if loss is None or isinstance(loss, str):
        return loss
    if isinstance(loss, Mapping):
        return {str(key): loss_names(inner) for key, inner in loss.items()}
    if isinstance(loss, (list, tuple)):
        return [loss_names(inner) for inner in loss]
    return getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)


def number(value: Any) -> float:
    """Return the value of a scalar variable or tensor."""
    try:
        return float(value)
    except TypeError:  # under tf.distribute, where each replica has its own variable
        return float(keras.ops.convert_to_numpy(value))


def _name(named: Any) -> str:
    """Return the name of a model or optimizer, without the number that Keras adds to a default name.

    The number in ``adam_7`` counts the process's optimizers, and would differ between equal runs.
    """
    name = str(named.name)
    chosen, _, number = name.rpartition("_")
    by_keras = number.isdecimal() and chosen.replace("_", "") == type(named).__name__.lower()
    return chosen if by_keras else name


def _bits(dtype: Any) -> int:
    """Return the bits per number of a dtype such as ``float32`` or ``float8_e4m3fn``; 8 for ``bool``."""
    return int((re.findall(r"\d+", str(dtype)) or ["8"])[0])


def _count(weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)
