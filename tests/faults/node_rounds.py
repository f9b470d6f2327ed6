"""One round: trainings that share a courier, of which any may die, until ``multitrack sync`` has delivered all runs.

Each training is the process of a run of its own, as in ``rounds.py``, and is continued by another process if it is
killed. They have one journal, one config and one environment, and therefore one courier.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fatal
from alive import VARIABLE, left_of, parent_of, until
from compare import Training
from rounds import HERE, INSIDE, PATIENCE, Death, Outcome, Round
from trackers import TRACKERS, Served

#: Names of victims: how many trainings are killed together with the courier, or without it.
VICTIMS: Mapping[str, tuple[bool, int]] = {
    "courier": (True, 0), "training": (False, 1), "both": (True, 1), "several": (True, 3),
}  # fmt: skip
#: Maximum number of deaths of couriers in a round: from the next one on, each training has its own.
COURIERS = 3


class Member(Round):
    """One run of the round; its processes log until they are told to stop."""

    def __init__(self, number: int, shared: NodeRound) -> None:
        super().__init__(
            shared.directory / f"member-{number}",
            shared.served,
            [],
            shared.environment,
            seed=shared.seed * 100 + number,
        )
        self.directory, self.journal, self._mark = shared.directory, shared.journal, shared.mark
        self.outcome = shared.outcome
        self.process: subprocess.Popen[bytes] | None = None
        self._number = number
        self._environment = shared.environment

    def start(self, config: dict[str, Any], stop: Path) -> None:
        """Start the run's first or next process."""
        first = max((int(noted.what) + 1 for t in self._trainings for noted in t.noted if isinstance(noted.what, int)),
                    default=0)  # fmt: skip
        plan = {
            "run_id": self.run_id, "config": config, "seed": self.seed, "first": first, "long_at": -1,
            "most": 400, "pause": self._chance.choice((0.01, 0.03)), "stop": str(stop),
            "notes": str(self._notes_path(len(self._trainings))),
        }  # fmt: skip
        self.process = self._start([sys.executable, str(HERE / "training.py"), json.dumps(plan)], None)
        self._trainings.append(Training(self.process.pid, first, -1, []))

    def wait(self) -> None:
        """Wait until the process has ended, and read what it noted."""
        assert self.process is not None
        self._wait(self.process)

    def is_open(self) -> bool:
        """Whether a courier has opened the run in each tracker."""
        lanes = self._lanes().values()
        return len(lanes) == len(self.served) and all(state.id and not state.opening for state in lanes)

    def settled(self) -> bool:
        return all(state.settled for state in self._lanes().values())

    def compare(self) -> int:
        """Compare the journal and all trackers with what was noted; return how many records were acknowledged."""
        before, self.outcome = self.outcome, Outcome()
        recorded = self._recorded()
        if recorded is None:
            if any(noted.returned is not None for training in self._trainings for noted in training.noted):
                before.wrong("journal", f"run {self.run_id} is not there")
            return 0
        for name in self.served:
            state = self._lanes()[TRACKERS[name].backend]
            if not state.settled or state.set_aside:
                before.wrong(name, f"{self.run_id}: not delivered: {state}")
        self._compare()
        for where, misses in self.outcome.misses.items():
            before.misses.setdefault(where, type(misses)()).add(misses)
        return self.outcome.acknowledged

    def _notes_path(self, number: int) -> Path:
        return self.directory / f"notes-{self._number}-{number}.jsonl"


class NodeRound:
    """Plays one round in a directory of its own.

    Args:
        directory: That directory; it is made.
        served: The trackers of all runs, by name; each of another backend.
        deaths: In order; ``victim`` is one of :data:`VICTIMS`. The first may be inside a hook, of the courier alone.
        environment: Of all processes.
        seed: Decides the calls, and the moments.
        trainings: How many there are.
    """

    def __init__(
        self, directory: Path, served: Mapping[str, Served], deaths: Sequence[Death], environment: Mapping[str, str],
        *, seed: int, trainings: int = 8,
    ) -> None:  # fmt: skip
        directory.mkdir(parents=True)
        self.directory, self.served, self.deaths, self.seed = directory, served, deaths, seed
        self.journal = directory / "journal"
        self.outcome = Outcome()
        self.mark = f"node-{os.getpid()}-{seed}"
        self.environment = {**environment, VARIABLE: self.mark, "XDG_RUNTIME_DIR": str(directory)}
        for name in served:
            self.environment |= TRACKERS[name].environment
        self._chance = random.Random(f"moments {seed}")
        self._stop = directory / "stop"
        self._fault = directory / "fault"
        inside = [death for death in deaths if death.moment in INSIDE]
        if inside:
            told = {**dataclasses.asdict(inside[0]), "mark": str(self._fault)}
            self.environment[fatal.VARIABLE] = json.dumps(told)
        self._config: dict[str, Any] = {
            "journal": str(self.journal),
            "interval": 0.1,
            "courier": "node",
            "backends": [],
        }
        for name, each in served.items():
            backend = TRACKERS[name].backend
            self._config["backends"].append(f"fatal:{backend}" if inside else backend)
            self._config[backend] = each.options(directory)
        self._members = [Member(number, self) for number in range(trainings)]

    def play(self) -> Outcome:
        """Play it; leaves the directory only where something is wrong."""
        begun = time.monotonic()
        try:
            for member in self._members:
                member.start(self._config, self._stop)
            for death in self.deaths:
                dealt = self._strike(death)
                (self.outcome.deaths if dealt else self.outcome.missed).append(death)
                self._continue()
            self._stop.touch()
            for member in self._members:
                member.wait()
            self._sync()
            self.outcome.acknowledged = sum(member.compare() for member in self._members)
            if not until(lambda: not left_of(self.mark), 60):
                self.outcome.wrong("processes", f"left behind: {left_of(self.mark)}")
        finally:
            for pid in left_of(self.mark):
                os.kill(pid, signal.SIGKILL)
        self.outcome.seconds = time.monotonic() - begun
        if self.outcome.good:
            shutil.rmtree(self.directory, ignore_errors=True)
        return self.outcome

    def _strike(self, death: Death) -> bool:
        """Bring the moment about and kill; whether the victims were there."""
        if death.moment in INSIDE:
            return until(self._has_struck, PATIENCE)
        if death.moment == "batch":
            until(lambda: all(member.is_open() for member in self._members), PATIENCE)
        if death.moment == "ending":
            self._stop.touch()
        courier = self._one_courier()
        time.sleep(self._chance.random() * 3)
        kills_courier, number = VICTIMS[death.victim]
        chosen = [member.process for member in self._chance.sample(self._members, number)]
        victims = [process.pid for process in chosen if process is not None and process.poll() is None]
        if kills_courier and courier is not None and courier in left_of(self.mark):
            victims.append(courier)
        elif kills_courier:
            return False
        for send in (signal.SIGSTOP, signal.SIGKILL):  # none sees another's death
            for pid in victims:
                os.kill(pid, send)
        for process in chosen:
            if process is not None:
                process.wait(PATIENCE)  # else it would not be continued
        return len(victims) == number + kills_courier

    def _has_struck(self) -> bool:
        """Whether the courier that killed itself is gone."""
        told = self._fault.read_text() if self._fault.exists() else ""
        return bool(told) and int(told) not in left_of(self.mark)

    def _one_courier(self) -> int | None:
        """The courier of all trainings, as soon as there is no other one."""
        found: list[int] = []

        def one() -> bool:
            live = left_of(self.mark)
            couriers = {pid: line for pid, line in live.items() if "multitrack.courier" in line}
            found[:] = [pid for pid in couriers if parent_of(pid) not in live]  # else it is about to become one
            if any("--node" not in line for line in couriers.values()):
                self.outcome.wrong("processes", f"a training has a courier of its own: {couriers}")
            return len(couriers) == len(found) == 1

        if until(one, 60 if not self._stop.exists() else 1):
            return found[0]
        if not self._stop.exists():
            self.outcome.wrong("processes", f"not one courier, but {found}")
        return None

    def _continue(self) -> None:
        """Start the next process of each run whose process was killed."""
        for member in self._members:
            if member.process is not None and member.process.poll() is not None and not self._stop.exists():
                member.wait()
                member.start(self._config, self._stop)

    def _sync(self) -> None:
        """Repeat ``multitrack sync`` until nothing is pending."""
        deadline = time.monotonic() + PATIENCE
        done = False
        while not done and time.monotonic() < deadline:
            member = self._members[0]
            sync = member._start(member._sync_command(), None)
            done = sync.wait(PATIENCE) == 0 and all(member.settled() for member in self._members)
