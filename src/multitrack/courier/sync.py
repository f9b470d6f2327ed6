"""``multitrack.sync()``: deliver the pending records of any journal, at any time."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from multitrack.config import Config, load_config
from multitrack.delivery.lane_state import LaneState
from multitrack.delivery.report import DeliveryReport
from multitrack.delivery.trust import Trust
from multitrack.delivery.waiting import STALL, Settling
from multitrack.environment.allowed import BASE, nothing_else
from multitrack.environment.directory import current_or_none
from multitrack.errors import MultitrackError
from multitrack.journal.segments import end_silent, is_live
from multitrack.plugins import load_backend
from multitrack.reading.delivery import report_of
from multitrack.reading.opening import open_journal
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.secrets import without_credentials

if TYPE_CHECKING:
    from multitrack.delivery.lane import Lane

log = logging.getLogger("multitrack")


def sync(
    journal: str | Path | None = None,
    runs: Sequence[str] = (),
    *,
    backends: Collection[str] = (),
    trust: Sequence[str] = (),
    wait: bool = True,
    alone: bool = False,
    show: Callable[[Settling], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> dict[str, DeliveryReport]:
    """Deliver pending records, as long as records move.

    Lanes that another process delivers are left to it and waited for. A run that is still being written is delivered up
    to its present end. A run whose process died is ended as killed.

    Args:
        journal: The journal's directory; default: the config's.
        runs: Ids of the runs to deliver; default: all.
        backends: Names of the backends to deliver to; default: all.
        trust: Import paths of backends that may be loaded, besides those that the config here names; an import path
            that only the journal names is never imported.
        wait: True to wait for lanes that another process delivers.
        alone: True if this process does nothing else, such as the command. Environment variables that the trackers do
            not need are then removed during delivery, and warnings are ignored.
        show: Called repeatedly with the lanes that are waited for.
        notice: Called with a sentence for the user; default: a warning in the log.

    Returns:
        The report of each run that had something to deliver, by id.
    """
    from multitrack.courier.loop import Courier  # noqa: PLC0415 - training processes do not need it

    reader = open_journal(journal)
    notice = notice or (lambda text: log.warning("multitrack: %s", text))
    pending: dict[Path, dict[str, LaneState]] = {}
    written: dict[Path, int] = {}  # number of records of runs that are still being written
    for run in map(reader.run, runs) if runs else reader.runs(deleted=True):
        states = {name: state for name, state in run.lanes().items() if not backends or name in backends}
        if not all(state.settled for state in states.values()):
            pending[run.directory] = states
    if not pending:
        return {}
    if wait:
        end_silent(pending, notice)
    for run in map(RecordedRun, pending):
        if is_live(run.directory) and (summary := run.summary()).status == "running":
            written[run.directory] = summary.records
    if alone and current_or_none() is None:
        os.chdir(reader.directory)  # as for a courier: SDKs fail if the current directory was deleted
    here = partial(load_config, arguments={"journal": str(reader.directory)})  # the default journal needs a directory
    believed = Trust(trust, here)
    courier = Courier(notice, trust=believed)
    lanes = [lane for directory in pending for lane in courier.add(directory, interval=0.2, only=backends)]
    gave_up = {
        (directory, name): state.updated
        for directory, states in pending.items() for name, state in states.items() if state.stopped
    }  # fmt: skip
    settling = Settling([(lane.directory, lane.name) for lane in lanes], written, gave_up)

    def finished() -> bool:
        over = settling.look()
        if show is not None:
            show(settling)
        waiting = set(settling.waiting)
        return over or all(rests(lane, waiting) for lane in lanes)

    def rests(lane: Lane, waiting: Collection[tuple[Path, str]]) -> bool:
        if lane.busy or lane.done:  # busy first: a worker will still set idle
            return not lane.busy
        if not lane.idle or (lane.directory, lane.name) not in waiting:
            return lane.idle
        # Either another process drives the lane, or there is nothing to read. The latter means done only for a run
        # still being written: after a run's end it is brief, while a just forked process still holds the writer's lock.
        return not wait if lane.holder is not None else lane.directory in written

    try:
        with nothing_else(_variables(pending, believed)) if alone else contextlib.nullcontext():
            courier.run(finished)
    finally:
        courier.close()
    for lane in lanes:
        if lane.holder is not None and not settling.has_reached((lane.directory, lane.name)):
            stands = f"; nothing has moved for {STALL:.0f} s" if wait else ""
            notice(f"{lane.name}: run {lane.directory.name} is left to {lane.holder}, which is delivering it{stands}")
    reports = {}
    for run in map(RecordedRun, pending):
        reports[run.id] = report_of(run, until=written.get(run.directory)).of(pending[run.directory])
        if not reports[run.id].complete:
            _tell_other_options(here(), run, reports[run.id], notice)
    return reports


def _variables(directories: Iterable[Path], trust: Trust) -> set[str]:
    """Names of the environment variables that the backends of these runs need."""
    names = set(BASE)
    for load in {entry.load for directory in directories for entry in RecordedRun(directory).manifest.backends}:
        with contextlib.suppress(MultitrackError):  # its lane reports the error
            trust.check(load)
            names.update(load_backend(load).environment_variables())
    return names


def _tell_other_options(
    config: Config, run: RecordedRun, report: DeliveryReport, notice: Callable[[str], None]
) -> None:
    """Notify if records are pending and the config here has other options than the run was started with."""
    for entry in run.manifest.backends:
        if entry.name not in report or report[entry.name].complete or ":" in entry.load:
            continue
        with contextlib.suppress(MultitrackError):  # not installed here, or an invalid config
            here = msgspec.to_builtins(config.options(load_backend(entry.load))[0])
            for key, value in entry.options.items():
                now = without_credentials(str(here.get(key, value)))
                if now != str(value):
                    notice(
                        f"{entry.name}: run {run.id} uses the {key} that it was started with, {value!r}; the config "
                        f"here has {now!r}; to use that, call multitrack.start_run(run_id={run.id!r}).end()"
                    )
