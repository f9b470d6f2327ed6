"""Check the ``capture=`` argument of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from multitrack._text import plain_text, short_repr

CAPTURES: Final = ("stdout", "stderr", "logging")


def captures_in(capture: Iterable[str] | str, checked: Callable[..., Any]) -> tuple[str, ...]:
    """The outputs that ``capture=`` names, without duplicates.

    Args:
        capture: The argument of the call.
        checked: Calls a function with an argument; may return None instead of raising.

    Raises:
        TypeError: If ``capture`` is not iterable.
    """
    wanted = (capture,) if isinstance(capture, str) else tuple(capture)
    return tuple(dict.fromkeys(name for one in wanted if (name := checked(_capture, one))))


def _capture(what: object) -> str:
    if not isinstance(what, str) or what not in CAPTURES:
        raise ValueError(f"capture takes {', '.join(map(repr, CAPTURES))}, got {short_repr(what)}")
    return plain_text(what)
