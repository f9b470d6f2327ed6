"""One round: a run whose processes die, again and again, until ``multitrack sync`` has delivered it and all is compared."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fatal
import multitrack
from alive import VARIABLE, courier_of, left_of, until
from compare import Expected, Misses, Noted, Training, compare_journal, compare_tracker, read_notes
from multitrack.delivery.lane_state import LaneState
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import End, Segment
from trackers import TRACKERS, Served

HERE = Path(__file__).parent

#: Seconds for what takes a few on an idle machine.
PATIENCE = 300.0
#: Moments at which a process kills itself, between the tracker's commit and the lane's saved position.
INSIDE = ("opened", "taken", "flushed", "closed")
#: One at a time: trackers' SDKs are no friends of threads that import them together.
_reading = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Death:
    """Who is killed, and when.

    Attributes:
        moment: ``opening``, ``batch``, ``ending``: somewhere in it, by chance; or one of :data:`INSIDE`: exactly
            when the hook of the tracker's backend has returned.
        victim: ``training``, ``courier``, ``both``, ``group`` (the process groups of both), or ``sync``.
        backend: Whose hook it is.
        nth: At its how manieth call.
    """

    moment: str
    victim: str
    backend: str = ""
    nth: int = 1


@dataclasses.dataclass
class Outcome:
    """What became of a round.

    Attributes:
        deaths: Those that were dealt; one whose victim was gone before is not among them.
        missed: Those that were not.
        acknowledged: Records that were.
        misses: What is wrong, by tracker; ``journal`` and ``processes`` are others that may be wrong.
    """

    deaths: list[Death] = dataclasses.field(default_factory=list)
    missed: list[Death] = dataclasses.field(default_factory=list)
    acknowledged: int = 0
    misses: dict[str, Misses] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def wrong(self, where: str, text: str) -> None:
        self.misses.setdefault(where, Misses()).wrong(text)

    @property
    def good(self) -> bool:
        return not any(self.misses.values())


class Round:
    """Plays one round in a directory of its own.

    Args:
        directory: That directory; it is made.
        served: The run's trackers, by name; each of another backend.
        deaths: In order; those of ``sync`` come last, and the process before them delivers nothing itself.
        environment: Of all processes.
        seed: Decides the calls, and the moments that are left to chance.
        long: Whether one of the calls logs a list that is written in parts.
    """

    def __init__(
        self, directory: Path, served: Mapping[str, Served], deaths: Sequence[Death], environment: Mapping[str, str],
        *, seed: int, long: bool = False,
    ) -> None:  # fmt: skip
        directory.mkdir(parents=True)
        self.directory = directory
        self.served = served
        self.deaths = deaths
        self.seed = seed
        self.run_id = f"round-{seed}"
        self.journal = directory / "journal"
        self.outcome = Outcome()
        self._chance = random.Random(f"moments {seed}")
        self._mark = f"{os.getpid()}-{seed}"
        self._environment = {**environment, VARIABLE: self._mark}
        for name in served:
            self._environment |= TRACKERS[name].environment
        self._long = long
        self._trainings: list[Training] = []

    def play(self) -> Outcome:
        """Play it; leaves the directory only where something is wrong."""
        start = time.monotonic()
        try:
            self._play()
            if self._settle():
                self._compare()
            if not until(lambda: not left_of(self._mark), 60):
                self.outcome.wrong("processes", f"left behind: {left_of(self._mark)}")
        finally:
            for pid in left_of(self._mark):
                os.kill(pid, signal.SIGKILL)
        self.outcome.seconds = time.monotonic() - start
        if self.outcome.good:
            shutil.rmtree(self.directory, ignore_errors=True)
        return self.outcome

    def _play(self) -> None:
        syncs = [death for death in self.deaths if death.victim == "sync"]
        for death in self.deaths[: len(self.deaths) - len(syncs)]:
            self._kill_training(death)
            time.sleep(self._chance.choice((0.0, 0.0, self._chance.random() * 3)))
        if syncs:
            self._log_without_delivery()
        for death in syncs:
            self._kill_sync(death)

    # -- processes that die -----------------------------------------------------------------------------------

    def _kill_training(self, death: Death) -> None:
        training, stop = self._start_training(death)
        dealt = self._strike(training, death, stop)
        (self.outcome.deaths if dealt else self.outcome.missed).append(death)
        if training.poll() is None and (death.victim == "courier" or not dealt):
            time.sleep(self._chance.random())
            stop.touch()
        self._wait(training)

    def _log_without_delivery(self) -> None:
        """So that there is something left for ``multitrack sync``."""
        training, stop = self._start_training(None)
        until(lambda: len(self._notes()) > 400 or training.poll() is not None, PATIENCE)
        if self._chance.random() < 0.5:
            self._deal(training, "training")
            self.outcome.deaths.append(Death("batch", "training"))
        stop.touch()
        self._wait(training)

    def _start_training(self, death: Death | None) -> tuple[subprocess.Popen[bytes], Path]:
        if death is not None and death.moment in INSIDE:
            # The courier of an earlier process would deliver this one's records, and it is not the one to die.
            until(lambda: not left_of(self._mark), PATIENCE)
        number = len(self._trainings)
        stop = self.directory / f"stop-{number}"
        first = max((int(noted.what) + 1 for t in self._trainings for noted in t.noted if noted.what not in _FRAME),
                    default=0)  # fmt: skip
        long_at = first + 40 if self._long and number == 0 else -1
        inside = death is not None and death.moment in INSIDE
        config: dict[str, Any] = {"journal": str(self.journal), "interval": 0.1, "backends": []}
        if death is None:
            config["delivery"] = "off"
        for name, served in self.served.items():
            backend = TRACKERS[name].backend
            config["backends"].append(f"fatal:{backend}" if inside or death is None else backend)
            config[backend] = served.options(self.directory)
        plan = {
            "run_id": self.run_id, "config": config, "seed": self.seed, "first": first, "long_at": long_at,
            "most": 1500, "pause": self._chance.choice((0.0005, 0.002, 0.01)), "stop": str(stop),
            "notes": str(self._notes_path(number)),
        }  # fmt: skip
        process = self._start([sys.executable, str(HERE / "training.py"), json.dumps(plan)], death)
        self._trainings.append(Training(process.pid, first, long_at, []))
        return process, stop

    def _kill_sync(self, death: Death) -> None:
        sync = self._start(self._sync_command(), death)
        if death.moment in INSIDE:
            self._wait(sync)
            dealt = sync.returncode == -signal.SIGKILL
        else:
            before = self._updated()
            until(lambda: self._updated() > before or sync.poll() is not None, PATIENCE)
            time.sleep(self._chance.random() * 3)
            dealt = sync.poll() is None
            sync.kill()
            self._wait(sync)
        (self.outcome.deaths if dealt else self.outcome.missed).append(death)

    def _strike(self, training: subprocess.Popen[bytes], death: Death, stop: Path) -> bool:
        """Bring the moment about and kill; whether the victim was there."""
        gone = lambda: training.poll() is not None  # noqa: E731 - said in one word below
        if death.moment == "opening":
            until(lambda: self._notes() or gone(), PATIENCE)
            if death.victim == "training" and self._chance.random() < 0.5:
                time.sleep(self._chance.random() * 0.3)  # somewhere in start_run
            else:
                until(lambda: courier_of(training.pid) or gone(), PATIENCE)
                time.sleep(self._chance.random() * 5)
            return self._deal(training, death.victim)
        if death.moment in ("opened", "taken", "flushed"):
            until(lambda: self._fault_mark().exists() or gone(), PATIENCE)
            return self._fault_mark().exists() and (death.victim == "courier" or until(gone, 30))
        before = self._updated()
        until(lambda: self._is_open(before) or gone(), PATIENCE)
        time.sleep(self._chance.random() * 2)
        if death.moment == "batch":
            return self._deal(training, death.victim)
        stop.touch()
        if death.moment == "closed":
            until(lambda: self._fault_mark().exists() or gone(), PATIENCE)
            return self._fault_mark().exists() and (death.victim == "courier" or until(gone, 30))
        until(lambda: [note.what for note in self._notes()[-1:]] == ["end"] or gone(), PATIENCE)
        time.sleep(self._chance.random() * 0.7)
        return self._deal(training, death.victim)

    def _deal(self, training: subprocess.Popen[bytes], victim: str) -> bool:
        courier = courier_of(training.pid)
        if training.poll() is not None or (courier is None and victim != "training"):
            return False
        try:
            fatal.kill(courier or -1, training.pid, victim)
        except ProcessLookupError:
            return False
        return True

    def _start(self, command: list[str], death: Death | None) -> subprocess.Popen[bytes]:
        environment = dict(self._environment)
        if death is not None and death.moment in INSIDE:
            self._faults = getattr(self, "_faults", 0) + 1
            environment[fatal.VARIABLE] = json.dumps({**dataclasses.asdict(death), "mark": str(self._fault_mark())})
        with (self.directory / "output.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.outcome.wrong("processes", f"does not end: {process.args!r}")
            process.kill()
            process.wait()
        for i, training in enumerate(self._trainings):
            if training.pid == process.pid:
                training.noted[:] = read_notes(self._notes_path(i))
                if process.returncode not in (0, -signal.SIGKILL):
                    self.outcome.wrong("processes", f"training {i} ended with {process.returncode}: see output.log")

    # -- what can be seen from outside ------------------------------------------------------------------------

    def _fault_mark(self) -> Path:
        return self.directory / f"fault-{self._faults}"

    def _notes_path(self, number: int) -> Path:
        return self.directory / f"notes-{number}.jsonl"

    def _notes(self) -> list[Noted]:
        return read_notes(self._notes_path(len(self._trainings) - 1))

    def _recorded(self) -> RecordedRun | None:
        try:
            return RecordedRun(self.journal / "runs" / self.run_id)
        except multitrack.JournalError:
            return None

    def _lanes(self) -> dict[str, LaneState]:
        recorded = self._recorded()
        return {} if recorded is None else recorded.lanes()

    def _updated(self) -> int:
        return max((state.updated for state in self._lanes().values()), default=0)

    def _is_open(self, before: int) -> bool:
        """Whether a courier has opened the run somewhere since then."""
        return any(state.id and not state.opening and state.updated > before for state in self._lanes().values())

    # -- and then ---------------------------------------------------------------------------------------------

    def _sync_command(self) -> list[str]:
        trusted = [f"--trust=fatal:{TRACKERS[name].backend}" for name in self.served]  # a journal alone is not
        return [str(Path(sys.executable).with_name("multitrack")), "sync", "--journal", str(self.journal), *trusted]

    def _settle(self) -> bool:
        """Repeat ``multitrack sync`` until nothing is pending; whether there is a run at all."""
        if self._recorded() is None:
            if any(noted.returned is not None for training in self._trainings for noted in training.noted):
                self.outcome.wrong("journal", "the run is not there")
            return False
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            sync = self._start(self._sync_command(), None)
            self._wait(sync)
            lanes = self._lanes()
            if sync.returncode == 0 and all(state.settled for state in lanes.values()):
                break
            time.sleep(0.3)
        for name in self.served:
            state = lanes[TRACKERS[name].backend]
            if not state.settled or state.set_aside:
                self.outcome.wrong(name, f"not delivered: {state}")
        return True

    def _compare(self) -> None:
        recorded = self._recorded()
        assert recorded is not None
        expected, misses = compare_journal(recorded, self.seed, self._trainings)
        self.outcome.acknowledged = expected.acknowledged
        self.outcome.misses["journal"] = misses
        self._compare_end(recorded)
        for name, served in self.served.items():
            backend = TRACKERS[name].backend
            try:
                self._compare_tracker(name, served, recorded, expected, recorded.lanes()[backend].id or "")
            except Exception as error:
                self.outcome.wrong(name, f"cannot be read: {type(error).__name__}: {error}")

    def _compare_tracker(
        self, name: str, served: Served, recorded: RecordedRun, expected: Expected, native_id: str
    ) -> None:
        with _reading:
            native = served.read(self.directory, self.run_id, native_id)
        misses = compare_tracker(native, expected, TRACKERS[name].capabilities)
        summary = recorded.summary()
        told = {"status": native.status, "ended": native.ended, "started": native.started}
        true = {"status": summary.status, "ended": summary.ended, "started": recorded.manifest.created}
        if told != true:
            misses.wrong(f"says {told}, and the journal {true}")
        self.outcome.misses[name] = misses

    def _compare_end(self, recorded: RecordedRun) -> None:
        """How and when the run ended: as its last process did."""
        records = list(recorded.records())
        pids = [record.pid for record in records if isinstance(record, Segment) and not record.fork]
        last = next((training for training in self._trainings if training.pid == pids[-1]), None)
        if last is None:
            self.outcome.wrong("journal", f"process {pids[-1]} is none of ours")
            return
        summary = recorded.summary()
        ends = [noted for noted in last.noted if noted.what == "end"]
        if not ends and summary.status != "killed":
            self.outcome.wrong("journal", f"killed, and {summary.status}")
        if ends and ends[0].returned is not None and summary.status != "finished":
            self.outcome.wrong("journal", f"finished, and {summary.status}")
        # Whoever ended it for the dead did so in a segment of its own, later.
        closing = lambda record: isinstance(record, End) or (isinstance(record, Segment) and record.fork)  # noqa: E731
        sign = max(record.time for record in records if not closing(record))
        if summary.status == "killed" and summary.ended != sign:
            self.outcome.wrong("journal", f"its last sign of life was {sign}, its end is {summary.ended}")


_FRAME = ("start", "end")
