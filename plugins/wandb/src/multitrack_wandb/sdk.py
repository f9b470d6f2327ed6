"""The W&B SDK: imported here and nowhere else, its runs started, written to and ended.

All runs of a process share one helper process of the SDK, ``wandb-core``. When that dies, every open run is
lost, and the SDK is started afresh, once.

What has no public way in the SDK stands in :mod:`multitrack_wandb.internals`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import threading
import warnings
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from multitrack.errors import PermanentError
from multitrack.hookspecs import RunInfo
from multitrack.plugins import import_sdk
from multitrack.records import ArtifactRef
from multitrack_wandb import held, session_files
from multitrack_wandb.errors import is_loss, may_pass, plain, troubles
from multitrack_wandb.internals import helper, isolation
from multitrack_wandb.names import display_name, project_name
from multitrack_wandb.options import WandbOptions, from_settings_file, key_for
from multitrack_wandb.settings import command_line, settings
from multitrack_wandb.translate import artifact_facts

if TYPE_CHECKING:
    import wandb

_FREE_TIMEOUT: Final = 5.0
# What the SDK says where a server does not tell it how far a run is, or not in a way that it understands.
_NOT_TOLD: Final = re.compile(r"get resume status|no \w+( line count| tail)? found")
# The same where it cannot be reached, or does not answer at all.
_UNREACHED: Final = re.compile(
    r"(?i)timed? ?out|deadline|\bdial\b|refused|reset by|EOF|no such host|unreachable|error 5\d\d"
)
# The same where a server knows no such sweep, or not in this project.
_NO_SWEEP: Final = re.compile(r"(?i)sweep")

# One at a time: the SDK takes the command line from sys.argv while it starts a run.
_starting = threading.Lock()
# How many helper processes of this process have died.
_cores = 0
# The runs that are open.
_live: weakref.WeakSet[wandb.Run] = weakref.WeakSet()
# Servers that did not answer in time when they were asked how far a run is.
_silent: set[str | None] = set()


class Started(NamedTuple):
    """A run that was started.

    Attributes:
        run: The run.
        core: The number of the helper process that serves it, for :func:`lost`.
        no_sweep: Why W&B refused the sweep.
    """

    run: wandb.Run
    core: int
    no_sweep: str | None


def start(
    run: RunInfo,
    *,
    config: Mapping[str, Any],
    tags: tuple[str, ...],
    group: str | None,
    acknowledged: int | None = None,
) -> Started:
    """Start or resume a W&B run, with the training's identity.

    Args:
        run: The run.
        config: Its config so far.
        tags: Its tags so far.
        group: Its group.
        acknowledged: How many rows the server has acknowledged: it is waited for until it counts them, so that the SDK
            goes on behind them. ``None``: it was never given anything of the run.

    Raises:
        RetryableError: The server cannot be reached, or the helper process died.
        DeniedError: W&B refuses the credentials.
        PermanentError: W&B refuses the run.
    """
    options: WandbOptions = run.options
    if not _is_writable(options.dir):
        # The SDK would go on in the system's temporary directory, where nobody looks for it.
        raise PermanentError(f"cannot write W&B's files in {options.dir}: set the option dir, or WANDB_DIR")
    with _starting:
        sdk = imported()
        library = isolation.prepare(sdk, options.base_url, _stream(run))
        with troubles(), command_line(run.context), isolation.hidden(library), isolation.apart(library):
            project = project_name(options.project or run.project)
            if acknowledged and options.mode == "online":
                way = _way_to(sdk, options.base_url, library)
                held.ask_until(
                    lambda: held.ask(way, run.id, project, options.entity),
                    lambda answer: (answer.rows or 0) >= acknowledged,
                )
            given = {
                "id": run.id,
                "project": project,
                "entity": options.entity,
                "name": display_name(run.name),
                "notes": run.notes,
                "group": group,
                "job_type": options.job_type,
                "tags": tags,
                "config": dict(config),
                "mode": options.mode,
                "resume": "allow",
                "reinit": "create_new",
            }
            started = _start_somehow(sdk, run, given, fresh=acknowledged is None)
            isolation.keep(started.run, library)
            return started


def _start_somehow(sdk: Any, run: RunInfo, given: dict[str, Any], *, fresh: bool) -> Started:
    """Start a run, if need be without what this server does not know: how far the run is, or its sweep."""
    options, no_sweep, not_told = run.options, None, None
    if fresh and options.base_url in _silent:
        given["resume"] = None
    while True:
        number = _cores
        try:
            started = _init(sdk, run, given | {"settings": settings(sdk, options, run.context)}, number)
        except (sdk.Error, TimeoutError) as error:
            # A run can do without being told how far it is in W&B, as one that is started without resume does: we know
            # ourselves.
            text = str(error).replace(run.id, "")
            if given["resume"] is not None and _NOT_TOLD.search(text) and not _UNREACHED.search(text):
                given["resume"], not_told = None, error
            elif options.sweep and _NO_SWEEP.search(text):
                options, no_sweep = msgspec.structs.replace(options, sweep=None), plain(error)
            else:
                if fresh and _UNREACHED.search(text):  # perhaps this question alone is not answered
                    _silent.symmetric_difference_update({options.base_url})
                raise not_told if not_told is not None and may_pass(not_told) else error from None
        else:
            return Started(started, number, no_sweep)


def _init(sdk: Any, run: RunInfo, given: dict[str, Any], number: int) -> wandb.Run:
    """Start a run, or leave nothing of the try."""
    before = session_files.directories(run.options.dir, run.id)
    try:
        started: wandb.Run = sdk.init(**given)
    except Exception as error:
        if is_loss(error):
            _restart(number)
        elif isinstance(error, (sdk.Error, TimeoutError)):
            _free(run)
        for directory in session_files.of_process(
            session_files.directories(run.options.dir, run.id) - before, os.getpid()
        ):
            shutil.rmtree(directory, ignore_errors=True)  # else each new try would leave one
        raise
    _live.add(started)
    return started


def _way_to(sdk: Any, base_url: str | None, library: isolation.Library | None) -> Any:
    """Settings that lead to the server."""
    if library is not None:
        return library.settings.model_copy(update={"base_url": base_url or library.settings.base_url})
    url = base_url or from_settings_file().get("base_url")
    return sdk.Settings(api_key=key_for(url), **({"base_url": url} if url else {}))


class Rows:
    """Hands a run's rows to the helper process, in order.

    Waiting for each to be written to its socket takes as long as everything else about a row. What goes wrong with one
    that is not waited for goes wrong with the next one that is, and with the count when the run is finished.

    Args:
        run: The run, just started.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._wait = helper.publisher(run)
        self._next: int | None = None  # the number that the SDK would give a row by itself

    def log(self, row: dict[str, Any], number: int, *, wait: bool) -> None:
        """Log the row with this number; ``wait`` until it and all before it are with the helper process."""
        self._wait(wait)
        if number == self._next:
            self._run.log(row)
        else:  # which takes the SDK longer
            self._run.log(row, step=number, commit=True)
        self._next = number + 1


def finish(run: wandb.Run, exit_code: int) -> None:
    """Finish a run."""
    run.finish(exit_code=exit_code)
    _live.discard(run)


def lost(number: int) -> None:
    """Start afresh at the next run, unless another run has seen to it already."""
    with _starting:
        _restart(number)


def drop(run: wandb.Run) -> None:
    """Finish a run that is given up, for as long as it takes to free its id; its server may not answer."""

    def end() -> None:
        with contextlib.suppress(Exception), isolation.apart_for(run):  # what matters was raised before
            finish(run, 255)

    thread = threading.Thread(target=end, name="multitrack-wandb-drop", daemon=True)
    thread.start()
    thread.join(_FREE_TIMEOUT)


def reference(name: str, kind: str, record: ArtifactRef) -> wandb.Artifact:
    """An artifact that only refers to something."""
    artifact: wandb.Artifact = imported().Artifact(name, kind, metadata=artifact_facts(record))
    helper.add_reference(artifact, name, record.uri, record.digest or record.uri, record.size)
    return artifact


def imported() -> Any:
    """The SDK, from where it is installed."""
    isolation.note_import()
    # It reports its own errors to its makers, at import already, unless this is set before.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if "wandb" not in sys.modules:
        # Inherited from a training that uses W&B itself: its helper process would be ours, and die with it.
        os.environ.pop("WANDB_SERVICE", None)
        with warnings.catch_warnings():
            # Newer releases of pydantic warn of how W&B before 0.24 uses it, which is an error under -W error.
            warnings.filterwarnings("ignore", "The '(repr|frozen)' attribute with value")
            return import_sdk("wandb")  # takes half a second, and belongs to the courier alone
    return import_sdk("wandb")


def _is_writable(directory: str) -> bool:
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.R_OK)


def _stream(run: RunInfo) -> str:
    """What the helper process knows a run by: other journals may have one of this id, too."""
    return f"{run.id}.{hashlib.sha256(str(run.directory).encode()).hexdigest()[:8]}"


def _free(run: RunInfo) -> None:
    """Give up the id of a run that did not start; the helper process would call it taken for ever after."""
    if not helper.forget(_stream(run), _FREE_TIMEOUT) and not _live and isolation.is_alone():
        with contextlib.suppress(Exception, SystemExit):  # the error of the start is the one that counts
            imported().teardown()


def _restart(number: int) -> None:
    """Bury the helper process, so that the next run starts another one."""
    global _cores
    if number != _cores:
        return
    _cores += 1
    _live.clear()
    process = helper.process()
    with contextlib.suppress(Exception, SystemExit):  # a dead process does not answer; some releases exit as it did
        imported().teardown()
    if process is not None:
        process.kill()
        process.wait()
