"""Import the W&B SDK, and start, write and end its runs.

All runs of a process share one helper process of the SDK, ``wandb-core``. When it dies, every open run is lost, and the
SDK is started again, once.

Uses of non-public names of the SDK are in :mod:`multitrack_wandb.internals`.
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
# Messages of the SDK if a server does not report a run's position, or in an unknown form.
_NOT_TOLD: Final = re.compile(r"get resume status|no \w+( line count| tail)? found")
# Messages of the SDK if a server cannot be reached, or does not answer.
_UNREACHED: Final = re.compile(
    r"(?i)timed? ?out|deadline|\bdial\b|refused|reset by|EOF|no such host|unreachable|error 5\d\d"
)
# Messages of the SDK if a server does not know the sweep, or not in this project.
_NO_SWEEP: Final = re.compile(r"(?i)sweep")

# One start at a time: the SDK reads the command line from sys.argv while it starts a run.
_starting = threading.Lock()
# Number of helper processes of this process that have died.
_cores = 0
# The open runs.
_live: weakref.WeakSet[wandb.Run] = weakref.WeakSet()
# Servers that did not answer the question for a run's position in time.
_silent: set[str | None] = set()


class Started(NamedTuple):
    """A run that was started.

    Attributes:
        run: The run.
        core: The number of its helper process, for :func:`lost`.
        no_sweep: The error with which W&B rejected the sweep, if any.
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
        acknowledged: Number of rows that the server has acknowledged. The start waits until the server counts them, so
            that the SDK continues after them. ``None`` if nothing of the run was ever sent.

    Raises:
        RetryableError: The server cannot be reached, or the helper process died.
        DeniedError: W&B rejects the credentials.
        PermanentError: W&B rejects the run.
    """
    options: WandbOptions = run.options
    if not _is_writable(options.dir):
        # The SDK would use the system's temporary directory, where nobody looks for the files.
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
    """Start a run, if needed without features that the server lacks: the resume position, or the sweep."""
    options, no_sweep, not_told = run.options, None, None
    if fresh and options.base_url in _silent:
        given["resume"] = None
    while True:
        number = _cores
        try:
            started = _init(sdk, run, given | {"settings": settings(sdk, options, run.context)}, number)
        except (sdk.Error, TimeoutError) as error:
            # The position in W&B is not needed: a run can be started without resume, since we know the position.
            text = str(error).replace(run.id, "")
            if given["resume"] is not None and _NOT_TOLD.search(text) and not _UNREACHED.search(text):
                given["resume"], not_told = None, error
            elif options.sweep and _NO_SWEEP.search(text):
                options, no_sweep = msgspec.structs.replace(options, sweep=None), plain(error)
            else:
                if fresh and _UNREACHED.search(text):  # perhaps only this question is not answered
                    _silent.symmetric_difference_update({options.base_url})
                raise not_told if not_told is not None and may_pass(not_told) else error from None
        else:
            return Started(started, number, no_sweep)


def _init(sdk: Any, run: RunInfo, given: dict[str, Any], number: int) -> wandb.Run:
    """Start a run, or clean up after the failed attempt."""
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
            shutil.rmtree(directory, ignore_errors=True)  # else each retry would leave one
        raise
    _live.add(started)
    return started


def _way_to(sdk: Any, base_url: str | None, library: isolation.Library | None) -> Any:
    """Return settings with the server's URL and key."""
    if library is not None:
        return library.settings.model_copy(update={"base_url": base_url or library.settings.base_url})
    url = base_url or from_settings_file().get("base_url")
    return sdk.Settings(api_key=key_for(url), **({"base_url": url} if url else {}))


class Rows:
    """Sends a run's rows to the helper process, in order.

    Waiting until a row is written to the socket takes as long as everything else about a row. An error of a row without
    a wait shows at the next row with one, and in the count when the run is finished.

    Args:
        run: The run, just started.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._wait = helper.publisher(run)
        self._next: int | None = None  # the number that the SDK would give a row by default

    def log(self, row: dict[str, Any], number: int, *, wait: bool) -> None:
        """Log the row with this number. With ``wait``, return after the helper process has it and all earlier rows."""
        self._wait(wait)
        if number == self._next:
            self._run.log(row)
        else:  # slower in the SDK
            self._run.log(row, step=number, commit=True)
        self._next = number + 1


def finish(run: wandb.Run, exit_code: int) -> None:
    """Finish a run."""
    run.finish(exit_code=exit_code)
    _live.discard(run)


def lost(number: int) -> None:
    """Restart the helper process at the next run, unless another run has already done so."""
    with _starting:
        _restart(number)


def drop(run: wandb.Run) -> None:
    """Finish a run that is given up, to free its id. Wait at most 5 s, since its server may not answer."""

    def end() -> None:
        with contextlib.suppress(Exception), isolation.apart_for(run):  # the cause was raised before
            finish(run, 255)

    thread = threading.Thread(target=end, name="multitrack-wandb-drop", daemon=True)
    thread.start()
    thread.join(_FREE_TIMEOUT)


def reference(name: str, kind: str, record: ArtifactRef) -> wandb.Artifact:
    """Return an artifact that holds only a reference."""
    artifact: wandb.Artifact = imported().Artifact(name, kind, metadata=artifact_facts(record))
    helper.add_reference(artifact, name, record.uri, record.version or record.digest or record.uri, record.size)
    return artifact


def image(path: Path, caption: str) -> wandb.Image:
    """Return an image that has the bytes of a file, which must stay until the image is logged.

    Raises:
        Exception: The file is damaged, or the package ``pillow`` is missing.
    """
    made: wandb.Image = imported().Image(str(path), caption=caption)
    helper.ask_nobody(made)
    return made


def imported() -> Any:
    """Return the SDK's module, imported if needed."""
    isolation.note_import()
    # The SDK sends error reports to its makers, even at import, unless this is set before.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if "wandb" not in sys.modules:
        # Inherited from a training that uses W&B itself: we would share its helper process, which dies with it.
        os.environ.pop("WANDB_SERVICE", None)
        with warnings.catch_warnings():
            # Newer pydantic releases warn about its use by W&B before 0.24, which is an error under -W error.
            warnings.filterwarnings("ignore", "The '(repr|frozen)' attribute with value")
            return import_sdk("wandb")  # takes half a second, in the courier only
    return import_sdk("wandb")


def _is_writable(directory: str) -> bool:
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.R_OK)


def _stream(run: RunInfo) -> str:
    """Return the helper process's name of a run, unique even if another journal has a run with this id."""
    return f"{run.id}.{hashlib.sha256(str(run.directory).encode()).hexdigest()[:8]}"


def _free(run: RunInfo) -> None:
    """Free the id of a run that did not start; otherwise it would stay in use in the helper process."""
    if not helper.forget(_stream(run), _FREE_TIMEOUT) and not _live and isolation.is_alone():
        with contextlib.suppress(Exception, SystemExit):  # the error of the start is reported instead
            imported().teardown()


def _restart(number: int) -> None:
    """End the helper process, so that the next run starts a new one."""
    global _cores
    if number != _cores:
        return
    _cores += 1
    _live.clear()
    process = helper.process()
    with contextlib.suppress(Exception, SystemExit):  # a dead process does not answer; some releases exit with its code
        imported().teardown()
    if process is not None:
        process.kill()
        process.wait()
