"""``multitrack exec``: run a program, and record what it logs with trackers' own SDKs."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from multitrack._text import error_text
from multitrack.cli import output
from multitrack.cli.options import JOURNAL
from multitrack.errors import BackendNotInstalledError, ConfigError

if TYPE_CHECKING:
    from multitrack.mirroring.session import Session

_HELP: Final = """\
Run a program as it is, and record each run that it logs with the SDK of W&B, MLflow, Neptune or TensorBoard.

The runs are in the journal when the command ends, under the ids that the trackers gave them, and are delivered to the
configured backends, but not to the tracker that they come from. The program is not changed: another process reads what
its SDKs write. Output, files, signals and exit status are the program's own.

\b
    multitrack exec -- python train.py --epochs 5
    multitrack exec --tracker mlflow --to wandb -- python -m my_package.train
    multitrack exec -- torchrun --nproc-per-node 2 train.py
    multitrack exec -- jupyter lab

Programs that the program starts are observed with --subprocesses, and always for torchrun, accelerate and jupyter.
Python started with -I, -E or -S, or with a PYTHONPATH of its own, is not observed; a line at the end says so if no
other process was.

Exit status: that of the program; 126 if it cannot be run, 127 if it is not found.
"""

#: Programs that run the training in other processes.
_LAUNCHERS: Final = (
    "torchrun",
    "accelerate",
    "deepspeed",
    "jupyter",
    "jupyter-execute",
    "jupyter-lab",
    "jupyter-nbconvert",
    "jupyter-notebook",
    "mpirun",
    "papermill",
    "srun",
)
_MODULES: Final = (
    "torch.distributed.run",
    "torch.distributed.launch",
    "accelerate.commands.launch",
    "jupyter",
    "jupyterlab",
    "nbconvert",
    "notebook",
    "papermill",
)
_UNSEEN: Final = (
    "nothing was mirrored: no Python process was observed. One that is started with -I, -E or -S, or with a PYTHONPATH "
    "of its own, is not: call multitrack.mirror() in its code"
)
_UNUSED: Final = (
    "nothing was mirrored: the program itself started no run. Python programs that it starts are observed with "
    "--subprocesses"
)
#: Exit statuses of a program that cannot be run, or is not found.
_NOT_RUN: Final = (126, 127)
#: Seconds to wait for the last records, which are read on afterwards.
_PATIENCE: Final = 120.0
#: True once the program has been started: from then on, ``multitrack_console`` starts it no more.
has_begun = False
#: Signals that are passed on to the program.
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGQUIT)


@click.command("exec", help=_HELP, context_settings={"allow_interspersed_args": False})
@click.option(
    "--tracker",
    "trackers",
    multiple=True,
    metavar="NAME",
    help="Observe these SDKs alone: wandb, mlflow, neptune, tensorboard, separated by commas.",
)
@click.option(
    "--to",
    "backends",
    multiple=True,
    metavar="BACKEND",
    help="Deliver to these backends instead of the configured ones, separated by commas.",
)
@click.option("--subprocesses", is_flag=True, help="Also observe Python programs that the program starts.")
@JOURNAL
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(
    program: tuple[str, ...],
    trackers: tuple[str, ...],
    backends: tuple[str, ...],
    subprocesses: bool,
    journal: Path | None,
) -> None:
    """See :data:`_HELP`."""
    session, environment, trouble = None, dict(os.environ), None
    observes_all = subprocesses or _is_launcher(program)
    try:
        from multitrack.config import switched_off  # noqa: PLC0415 - if they are broken, the program runs
        from multitrack.mirroring.session import Session  # noqa: PLC0415 - as above

        if not switched_off():
            session = Session(_names(trackers), journal, _names(backends) or None)
            session.start()
            environment = session.environment(subprocesses=observes_all)
    except (ConfigError, BackendNotInstalledError):  # about the arguments
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the program runs as it would without us
        session, trouble = None, f"nothing was mirrored: {error_text(error)}"
    status = _run(program, environment)
    if session is not None:
        try:
            trouble = _end(session, status, observes_all=observes_all)
        except Exception as error:  # noqa: BLE001 - the exit status is the program's own
            trouble = f"not everything was mirrored: {error_text(error)}"
    if trouble is not None:
        output.say(trouble)
    if status < 0:  # as the program ended, so that a shell or a scheduler sees the same
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _names(given: Sequence[str]) -> list[str]:
    """Names from an option, each of which may have several, separated by commas."""
    return [name.strip() for one in given for name in one.split(",")]


def _end(session: Session, status: int, *, observes_all: bool) -> str | None:
    """Wait until the runs are in the journal; returns a sentence if something failed or was not seen."""
    outcome = session.finish(_PATIENCE)
    if outcome is None:
        return f"the last records are still being read; {session.log} says how it goes"
    if not outcome.failures:
        if status in _NOT_RUN:
            return None
        return _UNSEEN if not outcome.has_process else None if outcome.has_use or observes_all else _UNUSED
    more = f" (and {len(outcome.failures) - 1} more in {session.log})" if len(outcome.failures) > 1 else ""
    return f"not everything was mirrored: {outcome.failures[0]}{more}"


def _is_launcher(program: tuple[str, ...]) -> bool:
    name = Path(program[0]).name
    return name in _LAUNCHERS or any(
        first == "-m" and second in _MODULES for first, second in itertools.pairwise(program)
    )


def _run(program: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run the program and return its status; negative if a signal ended it."""
    global has_begun
    has_begun = True
    try:
        process = subprocess.Popen(program, env=environment)
    except FileNotFoundError:
        output.say(f"{program[0]}: not found")
        return 127
    except OSError as error:
        output.say(f"{program[0]}: {error.strerror}")
        return 126

    def passed_on(number: int, _: FrameType | None) -> None:
        if number in (signal.SIGINT, signal.SIGQUIT) and _is_foreground():
            return  # the terminal has sent it to the program as well
        process.send_signal(number)

    before = {number: signal.signal(number, passed_on) for number in _SIGNALS}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_foreground() -> bool:
    """Return True if a terminal's Ctrl-C reaches this process and its children alike."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)
