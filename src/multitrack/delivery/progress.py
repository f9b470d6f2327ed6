"""The wait at the end of a run: with progress, as long as records move, and then a plain statement."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from multitrack.security.terminal import safe

if TYPE_CHECKING:
    from multitrack.delivery.report import DeliveryReport
    from multitrack.delivery.waiting import Settling

log = logging.getLogger("multitrack")

#: Seconds after which a wait shows that it is one.
_SHOW_AFTER: Final = 0.7
#: Seconds between lines of progress where stderr is no terminal.
_LINE_EVERY: Final = 10.0
_NUDGE_EVERY: Final = 2.0


def wait(
    settling: Settling,
    counts: Mapping[Path, int],
    timeout: float | None,
    *,
    nudge: Callable[[], bool],
    quiet: bool = False,
) -> None:
    """Wait until ``settling`` is over; Ctrl-C ends the wait.

    Args:
        settling: What to wait for.
        counts: Data records of each run, to show how far delivery is.
        timeout: Seconds to wait at most.
        nudge: Called now and then, so that a courier that died is started again; whether there is one.
        quiet: Show nothing.
    """
    start = time.monotonic()
    progress = _Progress(counts)
    nudged, pause = start - _NUDGE_EVERY, 0.005
    try:
        while not settling.look():
            now = time.monotonic()
            if timeout is not None and now - start >= timeout:
                break
            if now - nudged >= _NUDGE_EVERY:
                if not nudge():
                    break
                nudged = now
            if not quiet and now - start > _SHOW_AFTER:
                progress.show(settling)
            time.sleep(pause)
            pause = min(0.1, pause * 1.3)
    except KeyboardInterrupt:
        if quiet:
            raise
        log.warning("multitrack: Ctrl-C ended the wait")
    finally:
        progress.close()


class _Progress:
    """One line on stderr: redrawn on a terminal, repeated now and then elsewhere."""

    def __init__(self, counts: Mapping[Path, int]) -> None:
        self._counts = counts
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shown = 0
        self._next = 0.0

    def show(self, settling: Settling) -> None:
        now = time.monotonic()
        if now < self._next or sys.stderr is None:
            return
        self._next = now + (0.1 if self._terminal else _LINE_EVERY)
        text = "multitrack: delivering " + ", ".join(self._backends(settling))
        if self._terminal:
            sys.stderr.write(f"\r{text[:120]:<{self._shown}}")
            self._shown = min(len(text), 120)
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def _backends(self, settling: Settling) -> list[str]:
        """For each backend: what it does, or how many records it has of how many."""
        waiting = set(settling.waiting)
        totals: dict[str, list[int]] = {}
        doing: dict[str, set[str]] = {}
        for lane, state in settling.states.items():
            directory, name = lane
            done, total = totals.setdefault(name, [0, 0])
            totals[name] = [done + state.delivered + state.set_aside, total + self._counts.get(directory, 0)]
            opening = lane in waiting and (state.id is None or state.opening)
            stands = lane in settling.stalled or (state.stopped and not state.settled)
            doing.setdefault(name, set()).add(
                "opening" if opening else "moving" if lane in waiting else "stalled" if stands else "done"
            )
        return [f"{safe(name)}: {_told(doing[name], done, total)}" for name, (done, total) in totals.items()]

    def close(self) -> None:
        if self._terminal and self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            sys.stderr.flush()


def _told(doing: set[str], done: int, total: int) -> str:
    """What the lanes of one backend do, as one word or two numbers."""
    if "moving" in doing or ("opening" in doing and done):
        return f"{done}/{total}"
    if "opening" in doing:
        return "opening"
    return f"stalled at {done}/{total}" if "stalled" in doing else "done"


def pending_statement(run: str, journal: str, report: DeliveryReport, *, detached: bool) -> str | None:
    """Say what is pending after the wait and how to send it; ``None`` if nothing is to be said.

    Args:
        run: The run's id.
        journal: The directory of its journal.
        report: Its delivery.
        detached: Whether the courier goes on alone.
    """
    said = report.lost or report.mistakes or report.skipped or any(lane.set_aside for lane in report.values())
    if report.complete and not said:
        return None
    if report.complete:
        return f"run {run}: {report}"
    how = "the courier goes on; `multitrack runs` shows its progress" if detached else (
        f"{'the rest is kept' if report.lost else 'nothing is lost'}; send the rest with: multitrack sync "
        f"--journal {journal}"
    )  # fmt: skip
    return f"run {run}: {report}; {how}"
