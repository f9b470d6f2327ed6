"""``start_run``, and what decides whether this process has a run at all: the switch, and its rank among others."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack._text import short_repr
from multitrack.config import Config, load_config
from multitrack.environment import ranks
from multitrack.environment.interpreter import stop_second_run
from multitrack.errors import ConfigError
from multitrack.journal.run_ids import check_run_id
from multitrack.recording import lifecycle
from multitrack.recording.active import disabled_run
from multitrack.recording.builder import manifest_of, open_run
from multitrack.recording.plan import Request, resolve
from multitrack.recording.remote_run import RunElsewhere
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

_YES: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_NO: Final = frozenset({"", "0", "false", "no", "off", "n", "f"})


def start_run(
    project: str | None = None,
    name: str | None = None,
    *,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    notes: str | None = None,
    group: str | None = None,
    parent: Run | str | None = None,
    backends: Sequence[object] | object | None = None,
    run_id: str | None = None,
    config: object = None,
    capture: Iterable[str] = (),
    disabled: bool | None = None,
) -> Run:
    """Start a run, or continue one of an earlier process.

    Args:
        project: The project; default: the parent's, the config's, or the current directory's name.
        name: For people; default: a readable random one.
        params: Recorded at once, as :meth:`Run.log_params` would.
        tags: Set at once.
        notes: Free text kept with the run.
        group: Label of runs that belong together; default: the parent's.
        parent: The run this one is a child of, or its id, also of a run in the journal of another machine.
        backends: Names, import paths (``"my_pkg.tracker:backend"``) or plugin objects, one or several; overrides the
            config. Objects need ``delivery = "thread"``.
        run_id: Continue the run of this id, or start it under this id if there is none.
        config: Path of a TOML file, or a mapping of the same shape; default: searched upwards.
        capture: Which output becomes log lines: any of ``stdout``, ``stderr``, ``logging``.
        disabled: Record nothing; default: what ``MULTITRACK_DISABLED`` says. Of a training in several processes only
            rank 0 records in any case, unless ``ranks`` in the config says otherwise.

    Returns:
        The open run.

    Raises:
        ConfigError: Something in the config cannot hold, or a backend is unknown.
        BackendNotInstalledError: A backend or its SDK is not installed.
        PluginError: A backend does not implement the hooks as specified.
        JournalError: The journal's directory cannot be written.
        RunInUseError: A live process writes the run of this id.
        SystemExit: This process was started to deliver records, and runs the program instead.
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
        backends=backends, run_id=run_id, capture=capture, wrong=wrong,
    )  # fmt: skip
    if isinstance(parent, Run) and parent.disabled and not isinstance(parent, RunElsewhere):
        disabled = True
    if disabled or (disabled is None and _switched_off()):
        return _disabled(project, name)
    loaded = load_config(config)
    if project is None and config is not None and "project" in loaded.given:
        # the call asks for it as with project=; elsewhere, in a file that was found, it is a default
        request = msgspec.structs.replace(request, project=loaded.settings.project)
    place = ranks.this_process()
    setting = parent.settings.ranks if isinstance(parent, Run) else loaded.settings.ranks
    if place.passed_over(setting):
        _say_once(place)
        return _disabled(project, name)
    if setting == "all" and place.size > 1 and parent is None:
        return _start_rank(loaded, request, place.rank, place.size)
    return open_run(resolve(loaded, request, override=config is not None and isinstance(parent, Run)))


def join_run(run_id: str, *, project: str | None = None, group: str | None = None) -> Run:
    """A run that another process writes, for runs here to be its children; it need not be in the journal here.

    Args:
        run_id: Its id.
        project: Its project, and so its children's.
        group: The same of its group.

    Returns:
        A run that records nothing; its end waits until the trackers have its children of this process.

    Raises:
        ConfigError, BackendNotInstalledError, PluginError: As :func:`start_run`.
    """
    stop_second_run()
    if _switched_off():
        return _disabled(project, None)
    loaded = load_config(arguments={"project": project})
    plan = resolve(loaded, Request(project=project, group=group, run_id=check_run_id(run_id)))
    host = lifecycle.host_for(plan.settings)
    run = RunElsewhere(manifest_of(plan, run_id), None, plan.settings, host=host, delivery=plan.delivery)
    lifecycle.remember(run)
    return run


def journal_here() -> Path | None:
    """The journal that a run without parent would be recorded in; ``None`` where it would record nothing.

    Raises:
        ConfigError: As :func:`start_run`.
    """
    if _switched_off():
        return None
    settings = load_config().settings
    return None if ranks.this_process().passed_over(settings.ranks) else Path(settings.journal)


@functools.cache
def _say_once(place: ranks.Place) -> None:
    """Rank 1 speaks for all, so that a thousand ranks say it once where people look."""
    log.log(
        logging.WARNING if place.rank == 1 else logging.INFO,
        'multitrack: %s: records nothing, because one training is one run; with ranks = "all" each rank is a child '
        'run, with ranks = "off" each process is a run of its own',
        place,
    )


def _start_rank(loaded: Config, request: Request, rank: int, size: int) -> Run:
    """With ``ranks = "all"``: a child run for each rank, of a parent that rank 0 opens and ends."""
    whole = resolve(loaded, msgspec.structs.replace(request, params=None, tags=None, capture=()))
    checked = whole.request
    base = checked.run_id or ranks.shared_id(size)
    whole = dataclasses.replace(whole, request=msgspec.structs.replace(checked, run_id=base))
    parent = open_run(whole) if rank == 0 else None
    own = msgspec.structs.replace(
        checked, run_id=f"{base}-rank{rank}", name=f"{checked.name or base}-rank{rank}", parent=parent,
        params=request.params, tags=request.tags, capture=request.capture, wrong=(),
    )  # fmt: skip
    # the other ranks do not wait until rank 0 has written its manifest
    run = open_run(resolve(loaded, own, inherited=manifest_of(whole, base)))
    run.owns(parent)
    return run


def _switched_off() -> bool:
    """Whether ``MULTITRACK_DISABLED`` says so.

    Raises:
        ConfigError: It says neither yes nor no.
    """
    text = os.environ.get("MULTITRACK_DISABLED", "")
    said = text.strip().lower()
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise ConfigError(
        f"environment variable MULTITRACK_DISABLED = {text!r} is neither yes nor no: 1 turns recording off, "
        "0 leaves it on"
    )


def _disabled(project: object, name: object) -> Run:
    run = disabled_run(*(text if isinstance(text, str) else "" for text in (project, name)))
    lifecycle.remember(run)
    return run
