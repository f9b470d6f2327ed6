"""Prepare types for msgspec, which must not meet one in two threads at once.

At the first use of a struct, msgspec reads its annotations, and meanwhile has it half described. Another thread that
decodes the same struct, or one that contains it, then crashes the process (seen with msgspec 0.22).
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final, TypeVar

import msgspec

Type = TypeVar("Type")

_ready: Final[set[Any]] = set()
_lock: Final = threading.RLock()


def prepared(kind: Type) -> Type:
    """Return a type for ``msgspec.convert`` or a decoder, once any thread may use it.

    Args:
        kind: The type, a struct or anything that contains one. It stays in memory.
    """
    if kind not in _ready:
        with _lock:
            msgspec.json.Decoder(kind)
            _ready.add(kind)
    return kind


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
