"""The W&B SDK: imported here and nowhere else, its runs started as the training's, its failures told apart.

All runs of a process share one helper process of the SDK, ``wandb-core``. When that dies, every open run is
lost, and the SDK is started afresh, once.

Some things have no public way in the SDK, and are why the plugin names the release it was tested with: giving
up an id after a failed start, burying a dead helper process, a reference that nobody looks up, and handing over a row
without waiting; what the server holds (:mod:`multitrack_wandb.held`), and starting a run that is not the environment's
(:mod:`multitrack_wandb.internals`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import inspect
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from multitrack.credentials import REDACTED, without_credentials
from multitrack.errors import DeniedError, PermanentError, RetryableError
from multitrack.hookspecs import RunInfo
from multitrack.manifest import Context
from multitrack.plugins import import_sdk
from multitrack.records import ArtifactRef
from multitrack_wandb import held, internals, session_files
from multitrack_wandb.names import display_name, project_name
from multitrack_wandb.options import WandbOptions
from multitrack_wandb.translate import artifact_facts

if TYPE_CHECKING:
    import wandb

_INIT_TIMEOUT: Final = 60.0
_FINISH_TIMEOUT: Final = 300.0
_FREE_TIMEOUT: Final = 5.0
# What the SDK says where a server does not tell it how far a run is, or not in a way that it understands.
_NOT_TOLD: Final = re.compile(r"get resume status|no \w+( line count| tail)? found")
# The same where it cannot be reached, or does not answer at all.
_UNREACHED: Final = re.compile(
    r"(?i)timed? ?out|deadline|\bdial\b|refused|reset by|EOF|no such host|unreachable|error 5\d\d"
)
# The same where a server knows no such sweep, or not in this project.
_NO_SWEEP: Final = re.compile(r"(?i)sweep")

#: What to do where the server refuses the key.
CREDENTIAL: Final = "check WANDB_API_KEY, or run `wandb login`"

# One at a time: the SDK takes the command line from sys.argv while it starts a run.
_starting = threading.Lock()
# How many helper processes of this process have died.
_cores = 0
# Servers that did not answer in time when they were asked how far a run is.
_silent: set[str | None] = set()


class SessionLostError(RetryableError):
    """What W&B was given of an open run is gone or unknown; it is opened again and gets everything anew."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reopen=True)


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
        library = internals.prepare(sdk, options.base_url, _stream(run))
        with _troubles(), _command_line(run.context), internals.apart(library):
            project = project_name(options.project or run.project)
            if acknowledged and options.mode == "online" and library is not None:
                way = library.settings.model_copy(update={"base_url": options.base_url or library.settings.base_url})
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
            return _start_somehow(sdk, run, given, fresh=acknowledged is None)


def _start_somehow(sdk: Any, run: RunInfo, given: dict[str, Any], *, fresh: bool) -> Started:
    """Start a run, if need be without what this server does not know: how far the run is, or its sweep."""
    options, no_sweep, not_told = run.options, None, None
    if fresh and options.base_url in _silent:
        given["resume"] = None
    while True:
        number = _cores
        try:
            started = _init(sdk, run, given | {"settings": _settings(sdk, options, run.context)}, number)
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
                raise not_told if not_told is not None and _may_pass(not_told) else error from None
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
            _free(_stream(run))
        for directory in session_files.of_process(
            session_files.directories(run.options.dir, run.id) - before, os.getpid()
        ):
            shutil.rmtree(directory, ignore_errors=True)  # else each new try would leave one
        raise
    return started


class Rows:
    """Hands a run's rows to the helper process, in order.

    Waiting for each to be written to its socket takes as long as everything else about a row. What goes wrong with one
    that is not waited for goes wrong with the next one that is, and with the count when the run is finished.

    Args:
        run: The run, just started.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        interface: Any = run._interface
        self._interface = interface
        self._awaited = publish = interface._publish
        can = "nowait" in inspect.signature(publish).parameters
        self._unawaited = functools.partial(publish, nowait=True) if can else publish
        self._next: int | None = None  # the number that the SDK would give a row by itself

    def log(self, row: dict[str, Any], number: int, *, wait: bool) -> None:
        """Log the row with this number; ``wait`` until it and all before it are with the helper process."""
        self._interface._publish = self._awaited if wait else self._unawaited
        if number == self._next:
            self._run.log(row)
        else:  # which takes the SDK longer
            self._run.log(row, step=number, commit=True)
        self._next = number + 1


def lost(number: int) -> None:
    """Start afresh at the next run, unless another run has seen to it already."""
    with _starting:
        _restart(number)


def drop(run: wandb.Run) -> None:
    """Finish a run that is given up, for as long as it takes to free its id; its server may not answer."""

    def finish() -> None:
        with contextlib.suppress(Exception), internals.apart():  # what matters was raised before
            run.finish(exit_code=255)

    thread = threading.Thread(target=finish, name="multitrack-wandb-drop", daemon=True)
    thread.start()
    thread.join(_FREE_TIMEOUT)


def is_loss(error: BaseException) -> bool:
    """Whether the helper process died."""
    return isinstance(error, ConnectionError) or type(error).__name__ in {"MailboxClosedError", "HandleAbandonedError"}


@contextlib.contextmanager
def _troubles() -> Iterator[None]:
    """Turn what the SDK raises when it starts a run into what a lane understands."""
    try:
        yield
    except Exception as error:
        text = f"W&B did not start the run: {type(error).__name__}: {plain(error)}".rstrip(": ")
        if is_loss(error):
            raise RetryableError(f"{text} (its helper process died)") from error
        if is_denied(error):
            raise DeniedError(f"{text}; {CREDENTIAL}") from error
        # An id in use: a session that was given up is still being finished, while the server does not answer.
        if _may_pass(error) or "is in use" in text:
            raise RetryableError(text) from error
        raise PermanentError(text) from error


def _may_pass(error: BaseException) -> bool:
    """Whether the server could not be asked, or made no sense: the same may succeed later."""
    return not {kind.__name__ for kind in type(error).__mro__}.isdisjoint(
        {"AuthenticationError", "CommError", "TimeoutError"}
    )


def reference(name: str, kind: str, record: ArtifactRef) -> wandb.Artifact:
    """An artifact that only refers to something."""
    artifact: wandb.Artifact = imported().Artifact(name, kind, metadata=artifact_facts(record))
    # What add_reference(checksum=False) would add, had it not to import a cloud's SDK and look for its credentials,
    # and did it not insist that a local file is still there.
    entry = importlib.import_module("wandb.sdk.artifacts.artifact_manifest_entry").ArtifactManifestEntry(
        path=name, ref=record.uri, digest=record.digest or record.uri, size=record.size
    )
    artifact.manifest.add_entry(entry)
    return artifact


def imported() -> Any:
    """The SDK, from where it is installed."""
    # It reports its own errors to its makers, at import already, unless this is set before.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if "wandb" not in sys.modules:
        # Inherited from a training that uses W&B itself: its helper process would be ours, and die with it.
        os.environ.pop("WANDB_SERVICE", None)
    return import_sdk("wandb")  # takes half a second, and belongs to the courier alone


def plain(error: object) -> str:
    """An error's text without the credentials that W&B or a URL put there."""
    text = without_credentials(str(error))
    return text.replace(key, REDACTED) if (key := internals.key()) else text


def _settings(sdk: Any, options: WandbOptions, context: Context | None) -> Any:
    given: dict[str, Any] = {
        "root_dir": options.dir,
        "console": "off",
        "silent": True,
        "save_code": False,
        "disable_code": True,
        "disable_git": True,  # git of the courier's directory; the training's is given below
        "disable_job_creation": True,
        "label_disable": True,
        "sagemaker_disable": True,
        "x_save_requirements": False,  # those of the courier's interpreter
        "x_disable_stats": not (options.system_metrics and context is not None),
        "init_timeout": _INIT_TIMEOUT,
        "finish_timeout": _FINISH_TIMEOUT,
        "finish_timeout_raises": True,
        "stop_fn": _ignore_stop,
    }
    if options.base_url is not None:
        given["base_url"] = options.base_url
    if options.sweep:
        given["sweep_id"] = options.sweep
    if context is not None:
        given |= _identity(context)
    return sdk.Settings(**given)


def _identity(context: Context) -> dict[str, Any]:
    program = context.program or "<python with no main file>"
    identity = {
        "program": program,
        "program_relpath": _relative(program, context.git.root if context.git else context.cwd),
        "host": context.host,
        "username": context.user,
        "x_executable": context.executable,
        "x_stats_pid": context.pid,
    }
    if context.git is not None:
        identity |= {"git_commit": context.git.commit, "git_remote_url": context.git.remote or ""}
    return identity


def _relative(program: str, root: str | None) -> str:
    path = Path(program)
    return str(path.relative_to(root)) if root is not None and path.is_relative_to(root) else path.name


@contextlib.contextmanager
def _command_line(context: Context | None) -> Iterator[None]:
    """Let ``sys.argv`` be the training's. Its own thread host sees no change: there they are the same."""
    arguments = None if context is None else arguments_of(context)
    if arguments is None or sys.argv[1:] == arguments:
        yield
        return
    before, sys.argv = sys.argv, [sys.argv[0], *arguments]
    try:
        yield
    finally:
        sys.argv = before


def arguments_of(context: Context) -> list[str] | None:
    """What followed the script's name on the training's command line, ``None`` where it cannot be told."""
    for i, word in enumerate(context.command):
        if word == "-m":
            return context.command[i + 2 :]
        if context.program is not None and os.path.join(context.cwd, word) == context.program:  # noqa: PTH118
            return context.command[i + 1 :]
    return None


def _ignore_stop() -> None:
    """W&B's stop button would interrupt the courier, not the training."""


def _is_writable(directory: str) -> bool:
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.R_OK)


def is_denied(error: BaseException) -> bool:
    """Whether the server refuses the key."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(getattr(cause, "response", None), "http_status", 0) in (401, 403):
            return True
        cause = cause.__cause__
    return is_denial(str(error))


def is_denial(text: str) -> bool:
    """Whether a text says that the server refuses the key."""
    return re.search(r"(?:error|upload:) 40[13]\b|API key", text) is not None


def _stream(run: RunInfo) -> str:
    """What the helper process knows a run by: other journals may have one of this id, too."""
    return f"{run.id}.{hashlib.sha256(str(run.directory).encode()).hexdigest()[:8]}"


def _free(stream_id: str) -> None:
    """Let the helper process forget a run that did not start; it would call the id taken for ever after."""
    connection = _singleton()._connection
    if connection is None:
        return
    interface = importlib.import_module("wandb.sdk.interface.interface_sock")
    stream = interface.InterfaceSock(connection._asyncer, connection._client, stream_id=stream_id)
    with contextlib.suppress(TimeoutError, ConnectionError):  # what the start said is what matters
        stream.deliver_exit(1).wait_or(timeout=_FREE_TIMEOUT)
        connection.inform_finish(run_id=stream_id)


def _restart(number: int) -> None:
    """Bury the helper process, so that the next run starts another one."""
    global _cores
    if number != _cores:
        return
    _cores += 1
    connection = _singleton()._connection
    with contextlib.suppress(Exception):  # a dead process does not answer its farewell
        imported().teardown()
    process = getattr(getattr(connection, "_proc", None), "_process", None)
    if process is not None:
        process.kill()
        process.wait()


def _singleton() -> Any:
    return importlib.import_module("wandb.sdk.wandb_setup").singleton()
