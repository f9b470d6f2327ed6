"""Values of a served page with the version at which each changed last, so that a page gets only what is new."""

from __future__ import annotations

from collections.abc import Iterator


class Ledger:
    """Encoded values by key."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._versions: dict[str, int] = {}  # in the order of the versions

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def put(self, key: str, value: bytes, version: int) -> bool:
        """Set a value; return True if it changed.

        Args:
            key: The key.
            value: The encoded value.
            version: The version of the page that has it, at least that of all earlier changes.
        """
        if self._values.get(key) == value:
            return False
        self._values[key] = value
        self._versions.pop(key, None)
        self._versions[key] = version
        return True

    def since(self, version: int) -> dict[str, bytes]:
        """Return the values that changed after a version of the page, in the order of their changes."""
        found: list[str] = []
        for key, changed in reversed(self._versions.items()):
            if changed <= version:
                break
            found.append(key)
        return {key: self._values[key] for key in reversed(found)}

    def values(self) -> Iterator[bytes]:
        """Iterate over all values, in the order in which their keys were first set."""
        return iter(self._values.values())

    def __getitem__(self, key: str) -> bytes:
        return self._values[key]
