"""``start_run``, and whether this process records at all: ``MULTITRACK_DISABLED`` and the process's rank."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from multitrack._text import short_repr
from multitrack.config import Config, load_config, reproduced_run, switched_off
from multitrack.environment import ranks
from multitrack.environment.interpreter import stop_second_run
from multitrack.journal.layout import is_run
from multitrack.journal.manifest import read_manifest
from multitrack.journal.run_ids import check_run_id, is_run_id
from multitrack.recording import lifecycle
from multitrack.recording.active import disabled_run
from multitrack.recording.builder import manifest_of, open_run
from multitrack.recording.plan import Request, resolve
from multitrack.recording.remote_run import RunElsewhere
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")


def start_run(
    project: str | None = None,
    name: str | None = None,
    *,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    notes: str | None = None,
    group: str | None = None,
    parent: Run | str | None = None,
    deployment: str | None = None,
    trigger: str | None = None,
    backends: Sequence[object] | object | None = None,
    run_id: str | None = None,
    config: object = None,
    capture: Iterable[str] = (),
    disabled: bool | None = None,
) -> Run:
    """Start a run, or resume one of an earlier process.

    Args:
        project: The project; default: the parent's, the config's, or the current directory's name.
        name: Readable name; default: a random one.
        params: Params to record at once, as with :meth:`Run.log_params`.
        tags: Tags to set at once.
        notes: Free text kept with the run.
        group: Label of runs that belong together; default: the parent's.
        parent: The parent run or its id; the id may be of a run in another machine's journal.
        deployment: The deployment that a serving process belongs to: its tag ``deployment``, by which
            ``multitrack monitor`` groups.
        trigger: What started this execution: its tag ``trigger``, such as ``endpoint`` or ``schedule``.
        backends: Names, import paths (``"my_pkg.tracker:backend"``) or plugin objects, one or several; overrides the
            config. Objects need ``delivery = "thread"``.
        run_id: Id of the run to resume; if there is no such run, one is started with this id.
        config: Path of a TOML file, or a mapping of the same shape; default: searched upwards.
        capture: Output to record as log lines: any of ``stdout``, ``stderr``, ``logging``.
        disabled: True to record nothing; default: ``MULTITRACK_DISABLED``. Of a training in several processes only
            rank 0 records in any case, unless ``ranks`` in the config says otherwise.

    Returns:
        The open run.

    Raises:
        ConfigError: If the config is invalid, or a backend is unknown.
        BackendNotInstalledError: If a backend or its SDK is not installed.
        PluginError: If a backend does not implement the hooks as specified.
        JournalError: If the journal's directory cannot be written.
        RunInUseError: If a live process writes the run of this id.
        RunError: If a resumed run has another project, group or parent, or the parent's manifest cannot be read.
        ParamChangedError: If a resumed run has one of the params with another value.
        TypeError, ValueError: If an argument is invalid, and ``mistakes`` is ``raise``.
        SystemExit: If this process was started as a courier and runs the training program instead.
    """
    stop_second_run()
    wrong: tuple[Exception, ...] = ()
    if disabled is not None and not isinstance(disabled, bool):
        wrong = (TypeError(f"disabled must be True, False or None, got {short_repr(disabled)}"),)
        if (parent.settings if isinstance(parent, Run) else load_config(config).settings).mistakes != "warn":
            raise wrong[0]
        disabled = None
    request = Request(
        project=project, name=name, params=params, tags=tags, notes=notes, group=group, parent=parent,
        deployment=deployment, trigger=trigger, backends=backends, run_id=run_id, capture=capture, wrong=wrong,
    )  # fmt: skip
    if isinstance(parent, Run) and parent.disabled and not isinstance(parent, RunElsewhere):
        disabled = True
    if disabled or (disabled is None and switched_off()):
        return _disabled(project, name)
    loaded = load_config(config)
    if project is None and config is not None and "project" in loaded.given:
        # a config passed by the caller counts like project=; in a file that was found, it is only a default
        request = msgspec.structs.replace(request, project=loaded.settings.project)
    if parent is None and (original := reproduced_run()) is not None:
        request = _as_reproduction(request, original)
    place = ranks.this_process()
    setting = parent.settings.ranks if isinstance(parent, Run) else loaded.settings.ranks
    if place.passed_over(setting):
        _say_once(place)
        return _disabled(project, name)
    if setting == "all" and place.size > 1 and parent is None:
        return _start_rank(loaded, request, place.rank, place.size)
    return open_run(resolve(loaded, request, override=config is not None and isinstance(parent, Run)))


def join_run(run_id: str, *, project: str | None = None, group: str | None = None) -> Run:
    """Join a run that another process writes, as the parent of runs here; it may be in another journal.

    Args:
        run_id: The run's id.
        project: The run's project; its children inherit it.
        group: The run's group; its children inherit it.

    Returns:
        A run that records nothing; its end waits until the trackers have its children of this process.

    Raises:
        ConfigError, BackendNotInstalledError, PluginError: As :func:`start_run`.
    """
    stop_second_run()
    if switched_off():
        return _disabled(project, None)
    loaded = load_config(arguments={"project": project})
    plan = resolve(loaded, Request(project=project, group=group, run_id=check_run_id(run_id)))
    host = lifecycle.host_for(plan.settings)
    run = RunElsewhere(manifest_of(plan, run_id), None, plan.settings, host=host, delivery=plan.delivery)
    lifecycle.remember(run)
    return run


def journal_here() -> Path | None:
    """The journal that a run without parent would be recorded in; None if it would record nothing.

    Raises:
        ConfigError: As :func:`start_run`.
    """
    if switched_off():
        return None
    settings = load_config().settings
    return None if ranks.this_process().passed_over(settings.ranks) else Path(settings.journal)


@functools.cache
def _say_once(place: ranks.Place) -> None:
    """Log that this rank records nothing: a warning on rank 1 only, so that a thousand ranks warn once."""
    log.log(
        logging.WARNING if place.rank == 1 else logging.INFO,
        'multitrack: %s: records nothing, because one training is one run; with ranks = "all" each rank is a child '
        'run, with ranks = "off" each process is a run of its own',
        place,
    )


def _as_reproduction(request: Request, original: Path) -> Request:
    """Make a run a child of the run that this process reproduces (``multitrack reproduce --run``).

    The id of an earlier run is dropped, unless it is such a child: that run would be continued instead of reproduced.
    """
    run_id = request.run_id
    if isinstance(run_id, str) and is_run_id(run_id) and is_run(there := original.parent / run_id):
        earlier = read_manifest(there)
        if earlier.parent != original.name or earlier.context is None:  # another run, or a child of the original
            run_id = None
    return msgspec.structs.replace(request, parent=original.name, run_id=run_id, reproduces=original.name)


def _start_rank(loaded: Config, request: Request, rank: int, size: int) -> Run:
    """With ``ranks = "all"``, start this rank's child run, of a parent that rank 0 opens and ends."""
    shared = msgspec.structs.replace(request, params=None, tags=None, deployment=None, trigger=None, capture=())
    whole = resolve(loaded, shared)
    checked = whole.request
    base = checked.run_id or ranks.shared_id(size)
    whole = msgspec.structs.replace(whole, request=msgspec.structs.replace(checked, run_id=base))
    parent = open_run(whole) if rank == 0 else None
    own = msgspec.structs.replace(
        checked, run_id=f"{base}-rank{rank}", name=f"{checked.name or base}-rank{rank}", parent=parent,
        params=request.params, tags=request.tags, deployment=request.deployment, trigger=request.trigger,
        capture=request.capture, wrong=(), reproduces=None,
    )  # fmt: skip
    # the other ranks do not wait until rank 0 has written its manifest
    run = open_run(resolve(loaded, own, inherited=manifest_of(whole, base)))
    run.owns(parent)
    return run


def _disabled(project: object, name: object) -> Run:
    run = disabled_run(*(text if isinstance(text, str) else "" for text in (project, name)))
    lifecycle.remember(run)
    return run
