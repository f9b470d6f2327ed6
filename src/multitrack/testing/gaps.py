"""Declared gaps: a test of something that a tracker cannot hold is skipped, but only if it fails there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from multitrack.testing.capabilities import Capabilities


class _Subject(Protocol):
    backend: str
    capabilities: Capabilities


def needs(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a test of the contract with the capabilities that it needs.

    If the tracker declares that it lacks one of them, the test must fail by an assertion or a missing key, and is then
    skipped. A failed delivery is no gap: :meth:`~multitrack.testing.subject.ContractSubject.delivered` raises another
    kind of error, which is passed on.

    Args:
        names: Fields of :class:`~multitrack.testing.Capabilities`.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def checked(self: _Subject, *arguments: Any, **keywords: Any) -> None:
            missing = [name for name in names if not getattr(self.capabilities, name)]
            if not missing:
                return test(self, *arguments, **keywords)
            declared = f"{self.backend} declares {', '.join(f'{name}=False' for name in missing)}"
            try:
                test(self, *arguments, **keywords)
            except (AssertionError, LookupError):
                pytest.skip(f"{declared}; {'; '.join(map(self.capabilities.why_not, missing))}")
            pytest.fail(f"{declared}, but this test passes: remove the declaration")

        return checked

    return decorate
