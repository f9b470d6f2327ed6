"""Wait at the end of a run: show progress as long as records move, then state what is pending."""

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

#: Seconds after which a wait shows progress.
_SHOW_AFTER: Final = 0.7
#: Seconds between lines of progress if stderr is not a terminal.
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
        settling: The lanes to wait for.
        counts: Number of data records of each run, for the progress display.
        timeout: Maximum seconds to wait; ``None`` for no limit.
        nudge: Callback called regularly to restart a courier that died; the wait ends if it returns False.
        quiet: True to show nothing; Ctrl-C then raises.
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
    """A progress line on stderr: redrawn on a terminal, repeated every few seconds elsewhere."""

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
        text = f"multitrack: delivering {', '.join(self._backends(settling))}"
        if self._terminal:
            sys.stderr.write(f"\r{text[:120]:<{self._shown}}")
            self._shown = min(len(text), 120)
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def _backends(self, settling: Settling) -> list[str]:
        """The progress of each backend: its activity, or the numbers of delivered and of all records."""
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
    """The progress of one backend's lanes, as one word or two numbers."""
    if "moving" in doing or ("opening" in doing and done):
        return f"{done}/{total}"
    if "opening" in doing:
        return "opening"
    return f"stalled at {done}/{total}" if "stalled" in doing else "done"


def pending_statement(run: str, journal: str, report: DeliveryReport, *, detached: bool) -> str | None:
    """State what is pending after the wait and how to deliver it; None if there is nothing to report.

    Args:
        run: The run's id.
        journal: The directory of its journal.
        report: Its delivery report.
        detached: True if the courier goes on after the training process.
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
