"""The contract's broadest test: after any calls, batches and kills, the tracker holds the same as the model.

Importing this module needs Hypothesis (``pip install 'multitrack[testing]'``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from multitrack.delivery.lane_state import lane_file
from multitrack.journal import writer
from multitrack.recording import lifecycle
from multitrack.recording.run import Run
from multitrack.records import Status
from multitrack.testing.kills import Killed, MortalLane
from multitrack.testing.model import Model
from multitrack.testing.strategies import Call, Clock, calls, make
from multitrack.testing.subject import ContractSubject


class Deliver(NamedTuple):
    """A courier delivers all pending records, and waits for more.

    Attributes:
        sizes: Maximum number of records of each batch, in turn.
        life: Number of events until it is killed (hook calls, hook returns, saved positions); ``None`` if never.
        forgets: True if its position file is lost when it is killed.
    """

    sizes: tuple[int, ...]
    life: int | None = None
    forgets: bool = False


class Resume(NamedTuple):
    """The run ends, and another process resumes it.

    Attributes:
        status: The run's status at its end; ``None`` if its process is killed.
    """

    status: Status | None


Move = Call | Deliver | Resume
_endings: Final = st.sampled_from([*(["finished", "failed", "killed"] * 2), None])
_sizes: Final = st.lists(st.sampled_from([1, 2, 3, 2000]), min_size=1, max_size=3).map(tuple)
_lives: Final = st.none() | st.integers(0, 30)
_deliver: Final = st.builds(Deliver, _sizes, _lives, st.sampled_from([False, False, False, True]))


def histories() -> st.SearchStrategy[list[Move]]:
    """Return a strategy for the moves of a run, from its start to its last end."""
    moves = st.one_of(calls(), calls(), calls(), calls(), _deliver, _deliver, st.builds(Resume, _endings))
    return st.lists(st.lists(moves), max_size=8).map(lambda parts: [move for part in parts for move in part])


def check(contract: ContractSubject, tmp_path: Path) -> None:
    """Search for a history after which the tracker differs from the model."""
    parent = contract.start(tmp_path, name="parent")  # its context, slow to gather, is shared by all examples
    parent.end()
    contract.deliver(tmp_path)
    examples = contract.examples * settings().max_examples // 100  # a share of the profile's

    @settings(max_examples=max(1, examples), deadline=None)
    @given(histories(), _endings)
    def example(moves: list[Move], status: Status | None) -> None:
        _Told(contract, tmp_path, parent).tell(moves, status)

    example()


class _Told:
    """One run's history, applied to a run, its lane and the model."""

    def __init__(self, contract: ContractSubject, tmp_path: Path, parent: Run) -> None:
        self._contract = contract
        self._tmp_path = tmp_path
        self._parent = parent
        self._clock = Clock()
        self._model = Model()
        self._lane: MortalLane | None = None
        self._plugin = contract.new_plugin()

    def tell(self, moves: Sequence[Move], status: Status | None) -> None:
        """Apply all moves, deliver the rest, and compare."""
        with mock.patch.object(writer, "time", self._clock):
            self._run = self._contract.start(self._tmp_path, parent=self._parent.id)
            try:
                for move in moves:
                    if isinstance(move, Call):
                        make(move, self._run, self._model, self._clock)
                    elif isinstance(move, Resume):
                        self._end(move.status)
                        self._run = self._contract.start(self._tmp_path, run_id=self._run.id)
                    else:
                        self._deliver(move)
                self._end(status)
                self._deliver(Deliver((2000,)))
            finally:
                self._end(None)
                if self._lane is not None:
                    self._lane.release()
        assert self._lane is not None
        state = self._lane.state
        assert (state.problem, state.set_aside, state.settled) == (None, 0, True), state
        native = self._contract.read(self._tmp_path, self._run.id, str(state.id))
        self._contract.compare(native, self._contract.shown(self._model))
        if self._contract.capabilities.read_back:
            self._contract.check_read_back(self._tmp_path, self._run.id)

    def _end(self, status: Status | None) -> None:
        if self._run.status != "running":
            return
        if status is None:
            lifecycle.forget(self._run)
            self._run._journal.close_segment()  # all that the kernel does for a killed process
            self._run._journal.status = "killed"
        else:
            self._run.end(status)
        self._model.end(status or "killed")

    def _deliver(self, move: Deliver) -> None:
        assert self._run.directory is not None
        if self._lane is None or self._lane.done:
            if self._lane is not None:
                self._lane.release()
            self._lane = MortalLane(self._run.directory, self._plugin, move.sizes)
        try:
            self._lane.deliver(move.life)
        except Killed:
            self._lane.release()  # as the kernel does
            self._contract.kill(self._plugin)
            if move.forgets:
                lane_file(self._run.directory, self._lane.name).unlink(missing_ok=True)
            self._lane, self._plugin = None, self._contract.new_plugin()
