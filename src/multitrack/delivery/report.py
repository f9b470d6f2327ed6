"""What was delivered, what is pending, what was set aside, and why: read from the lanes' state files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from multitrack.delivery.lane_state import LaneState
from multitrack.security.terminal import safe


class LaneReport(msgspec.Struct, frozen=True):
    """How one backend fares with one run, or with several added up.

    Attributes:
        delivered: Records the tracker has taken.
        pending: Records still to come, in the journal.
        set_aside: Records the tracker will never take, kept in the journal.
        reasons: Why records were set aside, with how many each.
        problem: What hinders delivery, if something does.
        complete: Nothing is pending, and an ended run is ended in the tracker too.
        stand_ins: What the tracker could not hold as it is, and where it stands instead.
        id: The tracker's id for the run.
        url: Where a browser shows it.
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
        lost: Records the machine could not take (a full disk); they are in no journal.
        mistakes: Wrong calls set aside with ``mistakes = "warn"``.
        damaged: Journal lines that are no records.
        redacted: Values that were redacted before they reached the journal.
        skipped_epochs: Epochs that a Keras model trained a second time, and that the run held already.
        skipped_batches: The same of points of batches.
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
        """Whether every backend holds everything that it can hold."""
        return all(lane.complete for lane in self._lanes.values())

    @property
    def skipped(self) -> int:
        """Points of a repeated training that were not recorded a second time."""
        return self.skipped_epochs + self.skipped_batches

    @property
    def pending(self) -> int:
        """Records pending, over all backends."""
        return sum(lane.pending for lane in self._lanes.values())

    def __add__(self, other: DeliveryReport) -> DeliveryReport:
        """Both added up; ids and URLs are left out."""
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
    """A lane's state against the ``total`` data records of its run."""
    pending = max(0, total - state.delivered - state.set_aside)
    return LaneReport(
        delivered=state.delivered, pending=pending, set_aside=state.set_aside, reasons=dict(state.reasons),
        problem=state.problem, complete=pending == 0 and (state.settled or not ended),
        stand_ins=list(state.stand_ins), id=state.id, url=state.url,
    )  # fmt: skip


def report_run(states: Mapping[str, LaneState], total: int, *, ended: bool, **counts: int) -> DeliveryReport:
    """The report of a run with ``total`` data records, from its lanes' states by backend.

    Args:
        states: How far each backend is.
        total: Data records of the run.
        ended: Whether it has ended.
        **counts: As :class:`DeliveryReport` takes them, but for ``damaged``, which the lanes know.
    """
    lanes = {name: report_lane(state, total, ended=ended) for name, state in states.items()}
    damaged = max((state.damaged for state in states.values()), default=0)
    return DeliveryReport(lanes, damaged=damaged, **counts)
