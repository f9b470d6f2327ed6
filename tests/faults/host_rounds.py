"""One round on two machines that share a journal, whose locks do not hold between them.

A training with its courier is on the one, and ``multitrack sync`` runs again and again on the other, at the same time.
Processes of the first are killed, or hang until the other machine has taken them for dead, and then go on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import simulated_host
from alive import courier_of, until
from compare import Training
from rounds import HERE, PATIENCE, Death, Round
from trackers import TRACKERS, Served

#: Seconds of a lease: short, so that a test does not wait for long.
LEASE = 3.0


class HostRound(Round):
    """Plays one round in a directory of its own.

    Args:
        directory: That directory; it is made.
        served: The run's trackers, by name; each of another backend.
        deaths: In order. ``moment`` is ``killed`` or ``hangs``, ``victim`` is ``courier`` or ``both``: the machine, as
            far as it has to do with the run. The next process of a killed training is on the other machine.
        environment: Of all processes.
        seed: Decides the calls and the moments.
        locks: ``apart``: they hold within each machine; ``none``: there are none.
        setting: The setting ``locks``.
    """

    def __init__(
        self, directory: Path, served: Mapping[str, Served], deaths: Sequence[Death], environment: Mapping[str, str],
        *, seed: int, locks: str = "apart", setting: str = "lease",
    ) -> None:  # fmt: skip
        super().__init__(directory, served, deaths, environment, seed=seed, long=True)
        paths = [path for path in sys.path if path and not path.endswith((".zip", "lib-dynload"))]
        kinds = ("first", "second") if locks == "apart" else ("none", "none")
        self._machines = [
            simulated_host.make(directory, name, kind, paths[1:], LEASE)
            for name, kind in zip(("ada", "bob"), kinds, strict=True)
        ]
        self._setting = setting
        self._at = 0  # the machine of the training
        self._over = threading.Event()

    def _play(self) -> None:
        other = threading.Thread(target=self._sync_elsewhere)
        other.start()
        try:
            for death in self.deaths:
                self._suffer(death)
            training, stop = self._start_training(None)
            until(lambda: len(self._notes()) > 200 or training.poll() is not None, PATIENCE)
            stop.touch()
            self._wait(training)
        finally:
            self._over.set()
            other.join()

    def _suffer(self, death: Death) -> None:
        before = self._updated()
        training, stop = self._start_training(death)
        until(lambda: self._is_open(before) or training.poll() is not None, PATIENCE)
        time.sleep(self._chance.random() * 2)
        courier = courier_of(training.pid)
        dealt = courier is not None and training.poll() is None
        if courier is not None and dealt:
            victims = [training, courier] if death.victim == "both" else [courier]
            dealt = self._strike_at([each if isinstance(each, int) else each.pid for each in victims], death)
        (self.outcome.deaths if dealt else self.outcome.missed).append(death)
        if death.moment == "killed" and death.victim == "both":
            self._at = 1 - self._at
        elif dealt:
            time.sleep(1 + self._chance.random())
        stop.touch()
        self._wait(training)

    def _strike_at(self, pids: list[int], death: Death) -> bool:
        fences = self._fences()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        if death.moment == "killed":
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            return True
        try:
            taken = until(lambda: all(now > fences.get(name, 0) for name, now in self._fences().items()), 60)
            ended = death.victim == "courier" or until(lambda: any(self.journal.rglob("*.sealed")), 60)
            if ended:
                until(self._is_settled, 15)  # unless the courier that hangs holds a lock of the tracker's own
            time.sleep(self._chance.random())
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        return taken and ended

    def _fences(self) -> dict[str, int]:
        return {name: state.fence for name, state in self._lanes().items()}

    def _is_settled(self) -> bool:
        """Whether the other machine has ended the run, and delivered that."""
        return all(state.closed for state in self._lanes().values())

    def _sync_elsewhere(self) -> None:
        while not self._over.is_set():
            if self._recorded() is not None:
                self._start(self._sync_command(), None).wait(PATIENCE)
            self._over.wait(0.3)

    def _start_training(self, death: Death | None) -> tuple[subprocess.Popen[bytes], Path]:
        number = len(self._trainings)
        stop = self.directory / f"stop-{number}"
        first = max((int(noted.what) + 1 for t in self._trainings for noted in t.noted if isinstance(noted.what, int)),
                    default=0)  # fmt: skip
        config: dict[str, Any] = {
            "journal": str(self.journal), "interval": 0.1, "backends": [], "locks": self._setting
        }  # fmt: skip
        for name, served in self.served.items():
            config["backends"].append(TRACKERS[name].backend)
            config[TRACKERS[name].backend] = served.options(self.directory)
        long_at = first + 40 if number == 0 else -1
        plan = {
            "run_id": self.run_id, "config": config, "seed": self.seed, "first": first, "long_at": long_at,
            "most": 1500, "pause": self._chance.choice((0.002, 0.01)), "stop": str(stop),
            "notes": str(self._notes_path(number)),
        }  # fmt: skip
        python = str(self._machines[self._at])
        process = self._start([python, str(HERE / "training.py"), json.dumps(plan)], None)
        self._trainings.append(Training(process.pid, first, long_at, []))
        return process, stop

    def _sync_command(self) -> list[str]:
        program = "import sys; from multitrack_console import main; sys.exit(main())"
        return [str(self._machines[1 - self._at]), "-c", program, "sync", "--journal", str(self.journal)]
