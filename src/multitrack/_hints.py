"""Share "did you mean" suggestions and install commands between messages."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from multitrack.security.terminal import excerpt


def to_install(extra: str, checkout: str | None = None) -> str:
    """What to type where an extra is missing, from an index and from a checkout.

    Args:
        extra: Its name.
        checkout: What pip installs it from there; default: the checkout's own extra.
    """
    return f"pip install 'multitrack[{extra}]' (from a checkout: pip install '{checkout or f'.[{extra}]'}')"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The name that is nearly this one, as the end of a message; nothing where there is none."""
    close = difflib.get_close_matches(word[:COMPARED], known, 1)
    return f" (did you mean {excerpt(close[0])!r}?)" if close else ""


def there_are(names: Sequence[str]) -> str:
    """Some of the names that there are, as the end of a message."""
    shown = [excerpt(name) for name in names[:_NAMED]]
    return f"; there are {', '.join([*shown, *(['…'] if len(names) > _NAMED else [])])}" if names else ""


#: Names that a message tells where none is like the one asked for.
_NAMED: Final = 5
#: Characters of a name that are looked at to find one that is nearly the same; a whole text may stand in its place.
COMPARED: Final = 2000


def closest(name: str, names: Sequence[str]) -> str:
    """What was meant, as far as that can be told, else what there is."""
    return did_you_mean(name, names) or there_are(names)
