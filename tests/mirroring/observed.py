"""Run programs with and without ``multitrack exec``, and compare what they leave."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from multitrack.migration.verifying import Verified, verify_run
from multitrack.reading.opening import open_journal
from multitrack.reading.recorded_run import RecordedRun
from quiet import QUIET as NO_TELEMETRY

SCRIPTS = Path(__file__).parent / "scripts"
#: The SDKs write to this machine alone, and TensorFlow tells nothing of the processor.
QUIET = {
    **NO_TELEMETRY, "WANDB_MODE": "offline", "NEPTUNE_MODE": "offline", "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0",
}  # fmt: skip
MULTITRACK = (sys.executable, "-m", "multitrack")

#: What differs between two runs of one program: their times, ids and numbers of processes.
_VARYING = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"\bm-<id>", "<model>"),
    (r"\b\d{18}\b", "<experiment>"),
    (r"\b\d{4}[-/]?\d\d[-/]?\d\d[ T_]\d\d:?\d\d:?\d\d(?:\.\d+)?", "<time>"),
    (r"(offline-run-<time>|run-<time>|run)-[a-z0-9]{8}\b", r"\1-<id>"),
    (r"__<uuid>__\d+__[a-z0-9]{8}", "__<uuid>"),
    (r"-\d+\.\d+-\d{4}-\d\d-\d\d_\d\d\.\d\d\.\d\d\.\d+", "-<time>"),
    (r"tfevents\.\d+\.([^/\s]*?)\.\d+\.(\d+)\.v2", r"tfevents.<time>.\1.<pid>.\2.v2"),
    (r"tfevents\.\d{10}\.([^/\s.]+)(?:\.\d+(\.\d+))?", r"tfevents.<time>.\1\2"),
    (r"\b[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d", "<time>"),
    (r"\b[a-z0-9]{8}(/checkpoints/|_model\.json)", r"<id>\1"),
    (r"\d+\.\d+it/s|\d\d:\d\d<\S+", "<rate>"),
    (r"\b[a-z]+-[a-z]+-\d{1,4}\b", "<name>"),
)


class Done(msgspec.Struct, frozen=True):
    """What a program did: its output, the files in its directory, and its exit status."""

    status: int
    out: str
    err: str
    files: list[str]

    def normal(self, place: Path) -> tuple[int, str, str, list[str]]:
        """Everything, without what differs between two runs in two directories."""
        return (
            self.status, _normal(self.out, place), _normal(self.err, place),
            sorted(_normal(name, place) for name in self.files),
        )  # fmt: skip


def run(place: Path, *command: str | Path, limit: float = 120, **variables: str) -> Done:
    """Run a program in a directory, which is made."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        [*map(str, command)], cwd=place, env={**os.environ, **variables}, capture_output=True, text=True, timeout=limit,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    files = [str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir()]
    return Done(done.returncode, done.stdout, done.stderr, files)


def execute(
    place: Path,
    journal: Path,
    *program: str | Path,
    options: tuple[str, ...] = (),
    limit: float = 120,
    **variables: str,
) -> Done:
    """Run a program under ``multitrack exec``."""
    command = (*MULTITRACK, "exec", "--journal", journal, *options, "--", *program)
    return run(place, *command, limit=limit, **variables)


def copied(script: Path, place: Path) -> Path:
    """A copy of a script in a directory of its own: beside this repository, an SDK would note its commit."""
    place.mkdir()
    return Path(shutil.copy(script, place / "train.py"))


def recorded(journal: Path) -> list[RecordedRun]:
    """The runs of a journal, in the order of their start; none if it is not there yet."""
    if not (journal / "runs").is_dir():
        return []
    return sorted(open_journal(journal).runs(), key=lambda run: run.manifest.created)


def verified(journal: Path, tracker: str) -> list[Verified]:
    """Compare each run with the SDK's own store."""
    return [verify_run(each, tracker) for each in recorded(journal)]


def _normal(text: str, place: Path) -> str:
    text = text.replace(str(place), "<place>")
    for pattern, instead in _VARYING:
        text = re.sub(pattern, instead, text)
    return text
