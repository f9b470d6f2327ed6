"""Share "did you mean" suggestions and install commands between messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from multitrack.security.terminal import excerpt


def to_install(extra: str, checkout: str | None = None) -> str:
    """The pip command that installs a missing extra, in a checkout and from a package index.

    Args:
        extra: The name of the extra.
        checkout: The pip argument to use in a checkout; default: the checkout's own extra.
    """
    return f"in a checkout, pip install '{checkout or f'.[{extra}]'}'; from an index, pip install 'multitrack[{extra}]'"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A "did you mean" suffix for a message, naming the closest known name; empty if none is close."""
    close = close_to(word, known)
    return "" if close is None else f" (did you mean {excerpt(close)!r}?)"


def close_to(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like a word; None if none is at least as similar as ``cutoff``, from 0 to 1."""
    import difflib  # noqa: PLC0415 - training code imports this module, and most of it needs no suggestion

    return next(iter(difflib.get_close_matches(word[:_COMPARED], known, 1, cutoff)), None)


def there_are(names: Sequence[str]) -> str:
    """A message suffix that lists the first few available names; empty if there are none."""
    shown = [excerpt(name) for name in names[:_NAMED]]
    return f"; there are {', '.join([*shown, *(['…'] if len(names) > _NAMED else [])])}" if names else ""


#: Maximum number of available names listed in a message.
_NAMED: Final = 5
#: Maximum characters of a name used for matching, as a user may pass a whole text by mistake.
_COMPARED: Final = 2000


def closest(name: str, names: Sequence[str]) -> str:
    """A message suffix with the closest name, or with the available names if none is close."""
    return did_you_mean(name, names) or there_are(names)
