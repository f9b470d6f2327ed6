"""Start the follower of a program, and tell how it went."""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

import msgspec

from multitrack._hints import did_you_mean
from multitrack.config import load_config
from multitrack.errors import ConfigError, MultitrackError
from multitrack.journal.prepared import prepared
from multitrack.mirroring.observer import VARIABLE
from multitrack.mirroring.places import TRACKERS
from multitrack.plugins import load_backend

#: The directory of the module that Python imports as it starts.
BOOTSTRAP: Final = str(Path(__file__).parent / "bootstrap")


class Outcome(msgspec.Struct, frozen=True):
    """What the follower did.

    Attributes:
        runs: Ids of the runs in the journal.
        failures: What could not be mirrored.
        has_process: False if no process was observed.
        has_use: False if none used one of the SDKs.
    """

    runs: list[str]
    failures: list[str]
    has_process: bool = True
    has_use: bool = True


class Session:
    """A follower, and the program or programs that it follows.

    Args:
        trackers: The trackers to observe; default: all that can be.
        journal: The journal's directory; default: the config's.
        backends: Backends to deliver to, also if the code itself logs to them; default: those of the config.

    Attributes:
        notes: The file in which the programs note where they write.
        trackers: The observed trackers.
        backends: The backends to deliver to; None for those of the config.
        outcome: The outcome once it is known.

    Raises:
        ConfigError: If there is no such tracker.
        MultitrackError: If a backend of ``backends`` cannot be loaded.
    """

    def __init__(
        self, trackers: Sequence[str] = (), journal: Path | None = None, backends: Sequence[str] | None = None
    ) -> None:
        for name in trackers:
            if not isinstance(name, str):
                raise ConfigError(f"trackers are names, as in 'wandb', 'mlflow', got {name!r}")
            if name not in TRACKERS:
                raise ConfigError(f"{name!r} cannot be mirrored{did_you_mean(name, TRACKERS)}: {', '.join(TRACKERS)}")
        for name in backends or ():
            load_backend(name)
        self.trackers = list(trackers or TRACKERS)
        self.backends = None if backends is None else list(backends)
        self._given = journal
        self._process: subprocess.Popen[bytes] | None = None
        self._outcome: IO[bytes] | None = None
        self._lock = threading.Lock()  # of finish
        self._pid = os.getpid()
        self._is_ending = False
        self.outcome: Outcome | None = None
        self._trouble: str | None = None
        self.notes = self._place() / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{secrets.token_hex(3)}.jsonl"

    @property
    def log(self) -> Path:
        """The follower's log."""
        return self.notes.with_suffix(".log")

    def start(self) -> None:
        """Start the follower. It lives until this process has ended, and its runs are imported.

        Raises:
            OSError: If it cannot be started.
        """
        outcome, write = os.pipe()  # not its standard output, to which anything may print
        orders = {
            "notes": str(self.notes), "journal": None if self._given is None else str(self._given.absolute()),
            "backends": self.backends, "outcome": write,
        }  # fmt: skip
        with open(write, "wb"), self.log.open("ab") as errors:  # noqa: PTH123 - a descriptor
            self._outcome = open(outcome, "rb")  # noqa: PTH123, SIM115 - read at the end
            self._process = subprocess.Popen(
                [sys.executable, "-m", "multitrack.mirroring", json.dumps(orders)],
                stdin=subprocess.PIPE, stdout=errors, stderr=errors, start_new_session=True, pass_fds=(write,),
            )  # fmt: skip
        os.register_at_fork(after_in_child=self._close_copy)

    @property
    def is_running(self) -> bool:
        """True from the start until :meth:`finish` is called, in the process that started it and in those it forks."""
        return self._process is not None and not self._is_ending

    def find_trouble(self) -> str | None:
        """Return why runs cannot be recorded or delivered, as far as that is known before there are any."""
        if self._trouble is None:
            try:
                for name in self.backends or load_config().settings.backends:
                    load_backend(name)
            except MultitrackError as error:
                return str(error)
        return self._trouble

    def environment(self, *, subprocesses: bool) -> dict[str, str]:
        """The environment in which a program is observed.

        Args:
            subprocesses: True to observe the programs that it starts as well.
        """
        path = os.environ.get("PYTHONPATH")
        told = {
            "notes": str(self.notes), "trackers": self.trackers, "subprocesses": subprocesses, "path": path,
            "parent": os.getpid(),
        }  # fmt: skip
        front = BOOTSTRAP if not path else f"{BOOTSTRAP}{os.pathsep}{path}"
        return {**os.environ, "PYTHONPATH": front, VARIABLE: json.dumps(told)}

    def finish(self, seconds: float) -> Outcome | None:
        """End the mirroring, and wait until the runs are in the journal; delivery goes on without us.

        It can be called again, from any thread: to wait for longer, or for the same outcome. In a process that was
        forked it does nothing, since the runs of all are followed until the one that began has finished.

        Args:
            seconds: The longest time to wait.

        Returns:
            The outcome; None if it takes longer, or in a forked process. Without runs if nothing was mirrored.
        """
        if self._pid != os.getpid():
            return None
        if self._process is None:
            return self.outcome or Outcome([], [])
        self._is_ending = True
        with self._lock:
            if self.outcome is None:
                self.outcome = self._wait(self._process, seconds)
            return self.outcome

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> Outcome | None:
        assert process.stdin is not None and self._outcome is not None  # noqa: S101 - it was started
        process.stdin.close()
        ready, _, _ = select.select([self._outcome], [], [], seconds)
        if not ready:
            return None
        with self._outcome:
            line = self._outcome.read()
        if line:
            return msgspec.json.decode(line, type=prepared(Outcome))
        return Outcome([], [f"the follower ended with {process.wait()}: {self.log}"])

    def _close_copy(self) -> None:
        """Close the pipe in a forked process: the follower would wait for its end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _place(self) -> Path:
        """A directory for the notes: beside the journal's runs, or a temporary one if that cannot be written."""
        try:
            journal = self._given if self._given is not None else Path(load_config().settings.journal)
            place = Path(journal).absolute() / "mirror"
            place.mkdir(parents=True, exist_ok=True)
            probe = place / f".{secrets.token_hex(8)}"
            probe.touch()
            probe.unlink()
        except (MultitrackError, OSError) as error:
            self._trouble = str(error)
            return Path(tempfile.mkdtemp(prefix="multitrack-mirror-"))
        return place
