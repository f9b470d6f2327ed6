"""Which fit, and which run, a call of the callback's hooks belongs to.

A fit runs on one thread, and several may run at once. Hooks may come from other threads, and from a training loop of
the user's own that does not say where a fit begins.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from multitrack.environment import ranks
from multitrack.keras.fit import Fit
from multitrack.keras.resume import Mark
from multitrack.recording import lifecycle
from multitrack.recording.active import active_run, disabled_run
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

#: The model of a thread on which none was set.
UNSET: Final = object()


class Here(threading.local):
    """What the callback was told on one thread: a fit runs on one, and several may run at once.

    Attributes:
        model: The model that was set there; ``None`` once a fit of it has ended.
        fit: The fit there.
        asked: The run that was the callback's own or the active one as that fit was first seen.
        mark: The model as Keras put the callbacks of a fit together.
        fresh: Whether Keras has put the callback into a list of its own since the fit or epoch began.
    """

    model: Any = UNSET
    fit: Fit | None = None
    asked: Run | None = None
    mark: Mark | None = None
    fresh = False


class Fits:
    """The fits that one callback is in.

    Attributes:
        here: Those of this thread.
    """

    def __init__(self) -> None:
        self.here = Here()
        self._open: set[Fit] = set()  # those that Keras has begun

    def begin(self, fit: Fit) -> None:
        """Keras has begun a fit on this thread."""
        self.here.fit = fit
        self._open.add(fit)

    def current(self, run: Run, told_model: Any, make: Callable[[Any], Fit]) -> Fit:
        """The fit of this thread: the one that was begun here, or the only one, or one that nobody has begun.

        Args:
            run: The callback's own run, or the active one.
            told_model: The model that the callback was told last, on any thread.
            make: Makes the fit of a model that nobody has begun.
        """
        here = self.here
        fit = here.fit
        if fit is not None and fit.begun:
            return fit
        if fit is None and here.model is UNSET and (elsewhere := self.begun_elsewhere()) is not None:
            return elsewhere
        model = told_model if here.model is UNSET else here.model
        same_run = here.asked is not None and (run is here.asked or (run.disabled and here.asked.disabled))
        if fit is None or fit.model is not model or not same_run:
            here.asked = run
            here.fit = fit = make(model)
        return fit

    def begun_elsewhere(self) -> Fit | None:
        """The fit that a hook on a thread of no fit belongs to.

        Raises:
            RuntimeError: Several have been begun.
        """
        begun = [fit for fit in list(self._open) if fit.run.status == "running"]
        if len(begun) > 1:
            raise RuntimeError(
                f"one callback is in {len(begun)} fits at once, and a hook came on a thread of none of them: "
                "give each fit a callback of its own"
            )
        return begun[0] if begun else None

    def end(self, fit: Fit | None, *, raised: bool) -> None:
        """A fit has ended, or it is known to have raised."""
        if fit is None:
            return
        if fit.batches is not None:
            fit.batches.end_fit()  # before it is forgotten: batches on their way look for it
        self._open.discard(fit)
        if self.here.fit is fit:
            self.here.fit = None
        fit.end(raised=raised)


def run_for_fit(given: Run | None) -> Run:
    """The run that a ``fit`` or ``evaluate`` goes into, as it begins: the active one if none is given.

    Returns:
        A run that records nothing in a process that is not the first of several. This is said, and also that no run
        is open.
    """
    run = given or active_run()
    place = ranks.this_process()
    if place.passed_over(run.settings.ranks) and not run.disabled:
        log.warning(
            "multitrack: TrackingCallback: %s: records nothing, though run %s is open: it was started "
            "before this process joined the others; call multitrack.start_run() after", place, run.id
        )  # fmt: skip
        run = disabled_run()
    if run.disabled and given is None and lifecycle.last_open() is None:
        log.warning(
            "multitrack: TrackingCallback: no run is open, nothing is recorded; "
            "call multitrack.start_run() before, or pass run="
        )
    return run
