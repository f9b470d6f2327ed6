"""``run.config``: values that become params."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from multitrack.compat.omissions import Omissions
from multitrack.compat.wandb.named_values import NamedValues
from multitrack.inputs.param_files import read_params
from multitrack.inputs.structures import mapping_of
from multitrack.recording.run import Run


class Config(NamedValues):
    """The config of a run, by attributes and items.

    A param is written once. The last value of one that changes is a tag ``config/<name>``; W&B would raise, unless the
    change is allowed.

    Args:
        run: The run to record into.
        omissions: Counts what cannot be recorded.
        values: The config of a run that is continued.
    """

    _kind = "config"
    _recorded: dict[str, Any]

    def __init__(self, run: Run, omissions: Omissions, values: Mapping[str, Any]) -> None:
        super().__init__(run, omissions, values, _recorded=dict(_leaves(values)))

    def update(self, d: Any, allow_val_change: bool | None = None) -> None:
        """Set several values.

        Args:
            d: A mapping, a ``Namespace`` or another structured object, or the path of a YAML file.
            allow_val_change: True if values may change; they may anyway.
        """
        with self._omissions.attempt("config"):
            values = read_params(Path(d)) if isinstance(d, (str, Path)) else mapping_of(d)
            if values is None:
                self._omissions.leave_out("config", f"a mapping is needed, got {type(d).__qualname__}")
                return
            given = {str(key): value for key, value in values.items()}
            for key, value in given.items():
                known = self._values.get(key)
                is_nested = isinstance(known, dict) and isinstance(value, dict) and allow_val_change is None
                self._values[key] = {**known, **value} if is_nested and known is not None else value
            self._record(given, allowed=bool(allow_val_change))

    def setdefaults(self, d: Any) -> None:
        """Set those values that are not set."""
        values = mapping_of(d) or {}
        self.update({key: value for key, value in values.items() if str(key) not in self._values})

    def values(self) -> Any:
        """The values."""
        return self._values.values()

    def as_dict(self) -> dict[str, Any]:
        """All values."""
        return dict(self._values)

    def _record(self, given: dict[str, Any], *, allowed: bool) -> None:
        new, changed = {}, {}
        for path, value in _leaves(given):
            if path not in self._recorded:
                new[path] = self._recorded[path] = value
            elif repr(self._recorded[path]) != repr(value):
                changed[path] = self._recorded[path] = value
        if new:
            try:
                self._run.log_params(new)
            except (TypeError, ValueError):  # one has no form in a journal: the others are recorded
                for path, value in new.items():
                    with self._omissions.attempt("config"):
                        self._run.log_params({path: value})
        if changed:
            self._run.set_tags({f"config/{path}": _text(value) for path, value in changed.items()})
            if not allowed:
                self._omissions.say_once("config", "a value changed; the param keeps the first, a tag has the last")


def _leaves(values: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values by path, nested ones as ``a/b``."""
    for key, value in values.items():
        inner = None if isinstance(value, (str, bytes)) else mapping_of(value)
        if inner:
            yield from _leaves(inner, f"{above}{key}/")
        else:
            yield f"{above}{key}", value


def _text(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
