"""Keep tracking errors out of training: catch them, and set them aside so that none is silently lost."""

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
    """An object that records into a run during a user's training.

    A class that users do not know has a ``guarding_name``: the name of one that they do.
    """

    @property
    def guarding_run(self) -> Run:
        """The run that errors are set aside in."""


_T = TypeVar("_T", bound=Tracking)


def guarded(method: Callable[Concatenate[_T, _P], _R]) -> Callable[Concatenate[_T, _P], _R | None]:
    """Decorate a method so that its errors are set aside: counted and recorded in the run, and logged once.

    Only ``Exception`` is caught: a ``KeyboardInterrupt`` in the middle of tracking still stops the training.
    """

    @functools.wraps(method)
    def call(self: _T, *args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - no error may reach training
            put_aside(self.guarding_run, _name_of(self, method.__name__), error)
            return None

    return cast("Callable[Concatenate[_T, _P], _R | None]", call)  # wraps() has another type


def _name_of(tracking: Tracking, method: str) -> str:
    """Return a name that users know for the failed call: a Keras hook, or a part of the tracking."""
    name = getattr(type(tracking), "guarding_name", type(tracking).__name__)
    return f"{name}: {method[1:].replace('_', ' ')}" if method.startswith("_") else f"{name}.{method}"


def put_aside(run: Run, call: str, error: Exception) -> None:
    """Call ``run.set_aside``, and log the error if the journal has become unusable."""
    try:
        run.set_aside(call, error)
    except Exception:
        log.exception("multitrack: run %s: %s failed (%s) and could not be set aside", run.id, call, error)
