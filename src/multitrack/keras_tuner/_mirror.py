"""Every public name of the installed KerasTuner, its modules included, with the tuners replaced by tracked ones."""

from __future__ import annotations

import functools
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from keras_tuner.engine.base_tuner import BaseTuner

from multitrack.keras_tuner.internals import PRIVATE_PACKAGE
from multitrack.keras_tuner.tuners import tracked

#: A tuner that stands in several modules is one class here as well.
_tracked: Final = functools.cache(tracked)


def names(theirs: ModuleType, ours: str) -> dict[str, Any]:
    """The public names of one of KerasTuner's modules.

    Args:
        theirs: The module.
        ours: What it is called here, where its own modules can be imported from as well.
    """
    return {
        name: _counterpart(value, f"{ours}.{name}") for name, value in vars(theirs).items() if not name.startswith("_")
    }


def _counterpart(value: Any, name: str) -> Any:
    if isinstance(value, type) and issubclass(value, BaseTuner):
        return _tracked(value)
    if isinstance(value, ModuleType) and _is_public(value):
        return _module(value, name)
    return value


def _is_public(module: ModuleType) -> bool:
    return module.__name__.startswith("keras_tuner.") and not module.__name__.startswith(PRIVATE_PACKAGE)


def _module(theirs: ModuleType, name: str) -> ModuleType:
    """One of KerasTuner's modules under our name: the file of that name, if there is one, with what it lacks."""
    ours = sys.modules.get(name)
    if ours is None:
        ours = sys.modules[name] = ModuleType(name, theirs.__doc__)
        ours.__spec__ = ModuleSpec(name, None, is_package=True)
        ours.__path__ = []
    for each, value in names(theirs, name).items():
        vars(ours).setdefault(each, value)
    return ours
