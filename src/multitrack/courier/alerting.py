"""Evaluate alerts in a courier, on a thread of their own: their trouble holds up no lane."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from multitrack._text import error_text
from multitrack.alerts.configured import Plan
from multitrack.alerts.monitor import Monitor
from multitrack.errors import JournalError


class Alerting:
    """The alerts of the runs that a courier delivers; the thread starts with the first run that has rules.

    Args:
        notice: Called with a sentence for the user.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._lock = threading.Lock()
        self._monitors: dict[Path, Monitor] = {}  # by journal, as are the others
        self._plans: dict[Path, Plan] = {}
        self._intervals: dict[Path, float] = {}
        self._added: list[tuple[Path, Path]] = []
        self._wake = threading.Event()
        self._ending = self._abandoned = False
        self._thread: threading.Thread | None = None
        self._said: str | None = None

    def add(self, directory: Path, plan: Plan, interval: float) -> None:
        """Evaluate the alerts of a run's journal, by the rules of its newest run.

        Args:
            directory: The run's directory.
            plan: The alerts of its config.
            interval: Seconds between looks.
        """
        journal = directory.parent.parent
        with self._lock:
            self._plans[journal] = plan
            self._intervals[journal] = interval
            self._added.append((journal, directory))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="multitrack-alerts", daemon=True)
                self._thread.start()
        self._wake.set()

    def nudge(self) -> None:
        """Look now."""
        self._wake.set()

    def finish(self, seconds: float, *, look: bool = True) -> None:
        """End the thread, after a last look, or after the present one.

        Args:
            seconds: Maximum seconds to wait.
            look: False to leave the rest to the courier that replaces this one.
        """
        self._ending, self._abandoned = True, not look
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._abandoned:
            last = self._ending
            with self._lock:
                plans, added, self._added = dict(self._plans), self._added, []
                pause = min(self._intervals.values())
            for journal, plan in plans.items():
                self._look(journal, self._monitor(journal, plan), added, last=last)
            if last:
                break
            self._wake.wait(pause)
            self._wake.clear()
        for monitor in self._monitors.values():
            monitor.lock.release()

    def _monitor(self, journal: Path, plan: Plan) -> Monitor:
        """The monitor of a journal; a new one, which goes on where the last one was, if the rules have changed."""
        monitor = self._monitors.get(journal)
        if monitor is None or not monitor.plan.equals(plan):
            if monitor is not None:
                monitor.lock.release()
            monitor = self._monitors[journal] = Monitor(journal, plan, self._notice)
        return monitor

    def _look(self, journal: Path, monitor: Monitor, added: list[tuple[Path, Path]], *, last: bool) -> None:
        try:
            for of, directory in added:
                if of == journal:
                    monitor.add(directory)
            monitor.look(last=last)
            self._said = None
        except Exception as error:  # noqa: BLE001 - reported, and tried again with the next look
            said = str(error) if isinstance(error, JournalError) else error_text(error)
            if said != self._said:
                self._notice(f"alerts of {journal}: {said}")
            self._said = said
