"""The orders of a training process to its courier: lines of JSON, sent through a pipe or a socket.

Each is an object: ``{"add": directory, "options": {...}, "environment": {...}, "interval": seconds, "alerts": {...}}``,
``{"nudge": true}``, ``{"lower": true}`` (lower the priority, as training goes on), ``{"replace": true}`` (a shared
courier gives way, if no other process needs it), ``{"path": [...]}`` (the training process's module path, for backends
named by import path) or ``{"stop": seconds}`` (the time limit for going on after the stream closes; with 0, exit as
soon as no lane is in the middle of a step). If the stream closes without a stop, the training process died.
"""

from __future__ import annotations

import contextlib
import math
import os
import site
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack.courier.hosts import Delivery

#: Packages that a courier process imports before it receives the training's module path.
_NEEDED: Final = ("multitrack", "msgspec", "pluggy")
#: A shared courier's last word to a process that is to join another one.
BYE: Final = b"bye"
#: Its last word to the process for which it gives way, and which is to start a courier of its own: of the same length.
YOURS: Final = b"own"


def order_of(directory: Path, delivery: Delivery) -> dict[str, Any]:
    """The order that adds a run; includes the environment variables, for a courier that already runs."""
    return {
        "add": str(directory), "options": delivery.options, "environment": delivery.environment,
        "interval": delivery.interval, "alerts": delivery.alerts, "compact": delivery.compact,
    }  # fmt: skip


def line_of(order: dict[str, Any]) -> bytes:
    """An order as it is sent."""
    if _is_finite(order):  # msgspec writes infinity as null
        with contextlib.suppress(UnicodeEncodeError, OverflowError, TypeError):  # an undecoded path, an int of 65 bits
            return msgspec.json.encode(order) + b"\n"
    import json  # noqa: PLC0415 - 2 ms of the training thread, for rare options

    return json.dumps(order).encode() + b"\n"


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def parsed(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    """The orders in these lines; one that was cut off by the training process's death is left out."""
    import json  # noqa: PLC0415 - a courier's part

    for line in lines:
        try:
            order = json.loads(line)
        except ValueError:  # `multitrack sync` finds its runs
            continue
        if isinstance(order, dict):
            yield order


def own_path() -> str:
    """The ``PYTHONPATH`` of the modules that a courier needs at once, unless Python finds them anyway.

    Not the training's whole path: a module of the training could have the name of one that an SDK imports. The rest is
    sent to the courier, which searches it last.
    """
    usual = {*site.getsitepackages(), site.getusersitepackages()}
    found = dict.fromkeys(_parent_of(module) for module in _NEEDED)
    return os.pathsep.join(path for path in found if path not in usual)


def _parent_of(module: str) -> str:
    return str(Path(str(sys.modules[module].__file__)).absolute().parent.parent)


class Ending:
    """The end of a training process: the event that says so, the time limit from then on, and its runs.

    Attributes:
        path: Its module path.
        runs: The order of each run, by its directory.
        closed: Set once no further order can come.
        limit: Maximum seconds that the courier goes on then.
        replace: Set if the process waits for a courier that other processes starve.
    """

    def __init__(self, limit: float) -> None:
        self.path: list[str] = []
        self.runs: dict[Path, dict[str, Any]] = {}
        self.closed = threading.Event()
        self.replace = threading.Event()
        self.limit = limit

    def stop(self, limit: float) -> None:
        """End with this limit."""
        self.limit = limit
        self.closed.set()
