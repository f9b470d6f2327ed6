"""The settings of a run: arguments of ``init``, and W&B's variables in the environment."""

from __future__ import annotations

import os
from typing import Any


class Settings:
    """Settings of W&B by name; only those that ``init`` reads have a meaning.

    Args:
        settings: The settings.
    """

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None  # W&B has some 200 settings, each with a default

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def settings_of(given: Any) -> dict[str, Any]:
    """The settings in an argument ``settings=``."""
    if isinstance(given, Settings):
        return dict(vars(given))
    return dict(given) if isinstance(given, dict) else {}


def first_of(argument: Any, settings: dict[str, Any], name: str, variable: str | None = None) -> Any:
    """An argument, or the setting of a run, or the value of a variable; None if nothing is given.

    Args:
        argument: The argument.
        settings: The settings.
        name: The setting's name.
        variable: The variable's name.
    """
    if argument is not None:
        return argument
    if settings.get(name) is not None:
        return settings[name]
    return (os.environ.get(variable) or None) if variable else None


def tags_of(argument: Any, settings: dict[str, Any]) -> list[str]:
    """The labels of a run; a variable has them with commas between."""
    found = first_of(argument, settings, "run_tags", "WANDB_TAGS")
    if isinstance(found, str):
        return [tag.strip() for tag in found.split(",") if tag.strip()]
    return [] if found is None else [str(tag) for tag in found]
