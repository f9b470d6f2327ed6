"""Find the fit and the run that a hook call belongs to.

A fit runs on one thread, and several may run at once. Hooks may be called on other threads, and by a custom training
loop that does not mark the start of a fit.
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

#: Placeholder for the model of a thread on which none was set.
UNSET: Final = object()


class Here(threading.local):
    """The callback's state on one thread.

    Attributes:
        model: The model that was set on this thread; ``None`` once its fit has ended.
        fit: The fit on this thread.
        asked: The callback's own run, or the active run, when that fit was first seen.
        mark: The model's state when Keras built the callback list of a fit.
        fresh: True if Keras has added the callback to a new list since the fit or epoch began.
    """

    model: Any = UNSET
    fit: Fit | None = None
    asked: Run | None = None
    mark: Mark | None = None
    fresh = False


class Fits:
    """The fits that one callback takes part in.

    Attributes:
        here: The state of this thread.
    """

    def __init__(self) -> None:
        self.here = Here()
        self._open: set[Fit] = set()  # those that Keras has begun

    def begin(self, fit: Fit) -> None:
        """Register a fit that Keras has begun on this thread."""
        self.here.fit = fit
        self._open.add(fit)

    def current(self, run: Run, told_model: Any, make: Callable[[Any], Fit]) -> Fit:
        """Return the fit of this thread: the one begun here, or the only one elsewhere, or a new one.

        Args:
            run: The callback's own run, or the active run.
            told_model: The model that was set last, on any thread.
            make: Factory for the fit of a model that Keras has not begun.
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
        """Return the fit for a hook called on a thread that has none; None if there is no open fit.

        Raises:
            RuntimeError: Several fits are open.
        """
        begun = [fit for fit in list(self._open) if fit.run.status == "running"]
        if len(begun) > 1:
            raise RuntimeError(
                f"one callback is in {len(begun)} fits at once, and a hook was called on a thread of none of them: "
                "give each fit its own callback"
            )
        return begun[0] if begun else None

    def end(self, fit: Fit | None, *, raised: bool) -> None:
        """End a fit, which may have raised."""
        if fit is None:
            return
        if fit.batches is not None:
            fit.batches.end_fit()  # before it is removed, since pending batches look it up
        self._open.discard(fit)
        if self.here.fit is fit:
            self.here.fit = None
        fit.end(raised=raised)


def run_for_fit(given: Run | None) -> Run:
    """Return the run for a ``fit`` or ``evaluate`` that begins: the given one, or else the active run.

    Returns:
        A disabled run, with a warning, in a process that is not the first of several. Logs a warning also if no run is
        open.
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
