"""What keeps tracking out of training's way: nothing raised here goes up, and nothing is silently lost."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Tracking(Protocol):
    """Something that records into a run on behalf of somebody else's training.

    A class that users do not know has a ``guarding_name``, of one that they do.
    """

    @property
    def guarding_run(self) -> Run:
        """The run that a trouble is set aside in."""


_T = TypeVar("_T", bound=Tracking)


def guarded(method: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R | None]:
    """A method that never raises: its trouble is counted and written down in the run, and warned of once.

    Only ``Exception`` is kept: a ``KeyboardInterrupt`` in the middle of tracking still stops the training.
    """

    @functools.wraps(method)
    def call(self: _T, *args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, training must not see it
            put_aside(self.guarding_run, _name_of(self, method.__name__), error)
            return None

    return cast("Callable[Concatenate[_T, _P], _R | None]", call)  # as written; wraps() names it otherwise


def _name_of(tracking: Tracking, method: str) -> str:
    """What was set aside, in names that users know: a hook of Keras's, or a part of the tracking."""
    name = getattr(type(tracking), "guarding_name", type(tracking).__name__)
    return f"{name}: {method[1:].replace('_', ' ')}" if method.startswith("_") else f"{name}.{method}"


def put_aside(run: Run, call: str, error: Exception) -> None:
    """``run.set_aside``, also where the journal has become unusable."""
    try:
        run.set_aside(call, error)
    except Exception:
        log.exception("multitrack: run %s: %s failed (%s) and could not be set aside", run.id, call, error)
