"""Values by attributes and items, as ``run.config`` and ``run.summary`` have them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from multitrack.compat.omissions import Omissions
from multitrack.recording.run import Run


class NamedValues(ABC):
    """Values of a run. To set an attribute or an item is to record it.

    Args:
        run: The run to record into.
        omissions: Counts what cannot be recorded.
        values: The values of a run that is continued.
        own: Further attributes of the object itself, by name.
    """

    #: What the values are, for messages.
    _kind: ClassVar[str]
    _values: dict[str, Any]
    _run: Run
    _omissions: Omissions

    def __init__(self, run: Run, omissions: Omissions, values: Mapping[str, Any], **own: Any) -> None:
        for name, value in {"_values": dict(values), "_run": run, "_omissions": omissions, **own}.items():
            object.__setattr__(self, name, value)

    @abstractmethod
    def update(self, d: Any) -> None:
        """Set and record several values."""

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or the default."""
        return self._values.get(key, default)

    def keys(self) -> Any:
        """The names."""
        return self._values.keys()

    def items(self) -> Any:
        """Names and values."""
        return self._values.items()

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"the {type(self)._kind} has no value {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)
