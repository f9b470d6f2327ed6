"""Mirror every public name of the installed KerasTuner, submodules included, with tracked tuners."""

from __future__ import annotations

import functools
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from keras_tuner.engine.base_tuner import BaseTuner

from multitrack.keras_tuner.internals import PRIVATE_PACKAGE
from multitrack.keras_tuner.tuners import tracked

#: Cached, so that a tuner found in several modules becomes one tracked class.
_tracked: Final = functools.cache(tracked)


def names(theirs: ModuleType, ours: str) -> dict[str, Any]:
    """Return the public names of a KerasTuner module, with tuners and submodules replaced.

    Args:
        theirs: The KerasTuner module.
        ours: The name of its counterpart here, under which its submodules can be imported.
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
    """Return our module of that name, or a new one, with the missing names of KerasTuner's module added."""
    ours = sys.modules.get(name)
    if ours is None:
        ours = sys.modules[name] = ModuleType(name, theirs.__doc__)
        ours.__spec__ = ModuleSpec(name, None, is_package=True)
        ours.__path__ = []
    for each, value in names(theirs, name).items():
        vars(ours).setdefault(each, value)
    return ours
