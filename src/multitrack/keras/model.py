"""What a Keras model, its optimizers and its loss say of themselves, on every Keras backend."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import keras

from multitrack.keras import internals


def optimizer_of(model: Any) -> Any:
    """The optimizer that a Keras model was compiled with; ``None`` of any other model, and before it is compiled.

    Nothing is asked of an object that is no Keras model: what it means by ``optimizer`` is its own business.
    """
    optimizer = getattr(model, "optimizer", None) if isinstance(model, keras.Model) else None
    return optimizer if isinstance(optimizer, keras.optimizers.Optimizer) else None


def optimizers_of(model: Any) -> list[Any]:
    """The optimizers a model was compiled with: none, one, or those of a ``MultiOptimizer``."""
    optimizer = optimizer_of(model)
    return [] if optimizer is None else internals.each_optimizer(optimizer)


def steps_at_once(model: Any) -> int:
    """How many batches Keras reports at once."""
    several = getattr(model, "steps_per_execution", None) if isinstance(model, keras.Model) else None
    return several if isinstance(several, int) and several > 0 else 1


def batches_trained(model: Any) -> int:
    """How many batches the optimizer has seen, counting each of those it accumulates gradients over."""
    counted = internals.batches_counted(internals.inner_optimizer(optimizer_of(model)))
    return 0 if counted is None else int(number(counted))


def counts_each_batch(model: Any) -> bool:
    """Whether the optimizer counts every batch; with loss scaling it leaves out those that overflow."""
    return not internals.scales_loss(optimizer_of(model))


def optimizer_params(model: Any) -> dict[str, Any]:
    """The config of the optimizer; of several, each under its number."""
    configs = [
        {**optimizer.get_config(), "class": type(optimizer).__name__, "name": _name(optimizer)}
        for optimizer in optimizers_of(model)
    ]
    if len(configs) == 1:
        return configs[0]
    return {str(i): config for i, config in enumerate(configs)}


def model_params(model: Any) -> dict[str, Any]:
    """Name and class of a built model, how many parameters it has, and what goes in and out where it says."""
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
    # As text, for that is how Keras shows them; a model that is a class of its own has none.
    shapes = {name: getattr(model, name, None) for name in ("input_shape", "output_shape")}
    return {**params, **{name: str(shape) for name, shape in shapes.items() if shape is not None}}


def name_of(model: Any) -> str | None:
    """The name of a Keras model, which stays when it is saved and loaded."""
    return str(model.name) if isinstance(model, keras.Model) else None


def may_be_named(model: Any, name: str | None) -> bool:
    """Whether a model of this name may be the same one, made anew: Keras numbers the names that it chooses itself."""
    own = name_of(model)
    if own is None or name is None or own == name:
        return True
    stem = _name(model)
    by_keras = stem.replace("_", "") == type(model).__name__.lower()
    return by_keras and re.fullmatch(rf"{re.escape(stem)}(_\d+)?", name) is not None


def summary_lines(model: Any) -> list[str]:
    """``model.summary()`` as plain text, 100 columns wide whatever the terminal."""
    parts: list[str] = []
    model.summary(print_fn=parts.append, line_length=100)
    return "\n".join(parts).rstrip().split("\n")


def loss_names(loss: Any) -> Any:
    """The loss, or the losses by output, as names."""
    if loss is None or isinstance(loss, str):
        return loss
    if isinstance(loss, Mapping):
        return {str(key): loss_names(inner) for key, inner in loss.items()}
    if isinstance(loss, (list, tuple)):
        return [loss_names(inner) for inner in loss]
    return getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)


def number(value: Any) -> float:
    """A variable's or tensor's one number."""
    try:
        return float(value)
    except TypeError:  # under tf.distribute, where each replica has a variable of its own
        return float(keras.ops.convert_to_numpy(value))


def _name(named: Any) -> str:
    """The name of a model or optimizer, without the number that Keras adds to a name that it chose itself.

    ``adam_7`` is the process's seventh Adam, which says nothing of the run and would differ between equal ones.
    """
    name = str(named.name)
    chosen, _, number = name.rpartition("_")
    by_keras = number.isdecimal() and chosen.replace("_", "") == type(named).__name__.lower()
    return chosen if by_keras else name


def _bits(dtype: Any) -> int:
    """Of one number: ``float32``, ``bfloat16``, ``float8_e4m3fn``; 8 of a ``bool``."""
    return int((re.findall(r"\d+", str(dtype)) or ["8"])[0])


def _count(weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)
