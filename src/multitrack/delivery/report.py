"""Reports of delivered, pending and set-aside records, made from the lanes' states."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from multitrack.delivery.lane_state import LaneState
from multitrack.security.terminal import safe


class LaneReport(msgspec.Struct, frozen=True):
    """The delivery of one run to one backend, or the sum over several runs.

    Attributes:
        delivered: Number of records that the tracker has accepted.
        pending: Number of records still to be delivered from the journal.
        set_aside: Number of records that the tracker will never accept; they stay in the journal.
        reasons: Number of records set aside, by reason.
        problem: The current problem of the delivery, if any.
        complete: True if nothing is pending, and an ended run is ended in the tracker too.
        stand_ins: Descriptions of values that the tracker could not hold, and of their stand-ins.
        id: The tracker's id for the run.
        url: The run's web page.
    """

    delivered: int
    pending: int
    set_aside: int
    reasons: dict[str, int]
    problem: str | None
    complete: bool
    stand_ins: list[str] = []
    id: str | None = None
    url: str | None = None


class DeliveryReport(Mapping[str, LaneReport]):
    """A :class:`LaneReport` for each backend, by name.

    Attributes:
        lost: Number of records that could not be written to the journal (a full disk).
        mistakes: Number of invalid calls that were set aside (``mistakes = "warn"``, the Keras callback, the tuners).
        damaged: Number of journal lines that are not valid records.
        redacted: Number of values redacted before they reached the journal.
        skipped_epochs: Number of epochs that a Keras model trained a second time, and that were already recorded.
        skipped_batches: Number of batch points skipped likewise.
    """

    def __init__(
        self, lanes: Mapping[str, LaneReport], *, lost: int = 0, mistakes: int = 0, damaged: int = 0, redacted: int = 0,
        skipped_epochs: int = 0, skipped_batches: int = 0,
    ) -> None:  # fmt: skip
        self._lanes = dict(lanes)
        self.lost = lost
        self.mistakes = mistakes
        self.damaged = damaged
        self.redacted = redacted
        self.skipped_epochs = skipped_epochs
        self.skipped_batches = skipped_batches

    def __getitem__(self, backend: str) -> LaneReport:
        return self._lanes[backend]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lanes)

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def complete(self) -> bool:
        """True if every backend has everything that it can hold."""
        return all(lane.complete for lane in self._lanes.values())

    @property
    def skipped(self) -> int:
        """Number of epochs and batch points of a repeated training that were not recorded a second time."""
        return self.skipped_epochs + self.skipped_batches

    @property
    def pending(self) -> int:
        """Number of pending records, over all backends."""
        return sum(lane.pending for lane in self._lanes.values())

    def of(self, backends: Collection[str]) -> DeliveryReport:
        """The report with these backends alone."""
        lanes = {name: lane for name, lane in self._lanes.items() if name in backends}
        return DeliveryReport(
            lanes, lost=self.lost, mistakes=self.mistakes, damaged=self.damaged, redacted=self.redacted,
            skipped_epochs=self.skipped_epochs, skipped_batches=self.skipped_batches,
        )  # fmt: skip

    def __add__(self, other: DeliveryReport) -> DeliveryReport:
        """Add up two reports, without ids and URLs; ``damaged`` is the larger of both."""
        lanes = {}
        for name in {**self, **other}:
            both = [report[name] for report in (self, other) if name in report]
            reasons: dict[str, int] = {}
            for lane in both:
                for reason, count in lane.reasons.items():
                    reasons[reason] = reasons.get(reason, 0) + count
            lanes[name] = LaneReport(
                delivered=sum(lane.delivered for lane in both), pending=sum(lane.pending for lane in both),
                set_aside=sum(lane.set_aside for lane in both), reasons=reasons,
                problem=next((lane.problem for lane in both if lane.problem), None),
                complete=all(lane.complete for lane in both),
                stand_ins=[text for lane in both for text in lane.stand_ins],
            )  # fmt: skip
        return DeliveryReport(
            lanes, lost=self.lost + other.lost, mistakes=self.mistakes + other.mistakes,
            damaged=max(self.damaged, other.damaged), redacted=self.redacted + other.redacted,
            skipped_epochs=self.skipped_epochs + other.skipped_epochs,
            skipped_batches=self.skipped_batches + other.skipped_batches,
        )  # fmt: skip

    def __str__(self) -> str:
        parts = []
        for name, lane in self._lanes.items():
            text = f"{name}: {lane.delivered} delivered"
            text += f", {lane.pending} pending" if lane.pending else "" if lane.complete else ", not ended there yet"
            if lane.stand_ins:
                text += f", stand-ins: {len(lane.stand_ins)}"
            if lane.set_aside:
                text += f", {lane.set_aside} set aside ({'; '.join(lane.reasons)})"
            if lane.problem:
                text += f" ({lane.problem})"
            parts.append(text)
        for count, what in ((self.lost, "lost, they could not be written to disk"),
                            (self.mistakes, "wrong calls set aside"),
                            (self.damaged, "damaged journal lines skipped"),
                            (self.redacted, "values redacted"),
                            (self.skipped_epochs, "epochs trained again, not recorded a second time"),
                            (self.skipped_batches, "points of batches trained again, not recorded a second time"),
                            ):  # fmt: skip
            if count:
                parts.append(f"{count} {what}")
        return safe("; ".join(parts) or "no backend")

    def __repr__(self) -> str:
        return f"<DeliveryReport {self}>"


def report_lane(state: LaneState, total: int, *, ended: bool) -> LaneReport:
    """Create the report of a lane from its state and the ``total`` data records of its run."""
    pending = max(0, total - state.delivered - state.set_aside)
    return LaneReport(
        delivered=state.delivered, pending=pending, set_aside=state.set_aside, reasons=dict(state.reasons),
        problem=state.problem, complete=pending == 0 and (state.settled or not ended),
        stand_ins=list(state.stand_ins), id=state.id, url=state.url,
    )  # fmt: skip


def report_run(states: Mapping[str, LaneState], total: int, *, ended: bool, **counts: int) -> DeliveryReport:
    """Create the report of a run from the states of its lanes.

    Args:
        states: The state of each lane, by backend.
        total: Number of data records of the run.
        ended: True if the run has ended.
        **counts: Arguments of :class:`DeliveryReport`, except ``damaged``, which is taken from the states.
    """
    lanes = {name: report_lane(state, total, ended=ended) for name, state in states.items()}
    damaged = max((state.damaged for state in states.values()), default=0)
    return DeliveryReport(lanes, damaged=damaged, **counts)
