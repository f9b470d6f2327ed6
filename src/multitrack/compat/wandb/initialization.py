"""``init``: start or continue a run, and keep it as the current one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from multitrack.compat.paths import nested
from multitrack.compat.starting import run_id_of, start_or_join
from multitrack.compat.wandb.errors import UsageError
from multitrack.compat.wandb.run_object import Run
from multitrack.compat.wandb.settings import first_of, settings_of, tags_of
from multitrack.environment.notebook import current_cell
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.start import journal_here, start_run

#: The tag values of labels.
_SET: Final = "true"
#: Arguments of ``init`` that are about W&B's server, its pages, or what it finds by itself.
_WITHOUT_MEANING: Final = frozenset({"allow_val_change", "anonymous", "force", "magic", "monitor_gym", "save_code"})
_OPEN: list[Run] = []


def current_run() -> Run | None:
    """The run that ``init`` made last, if it is not finished."""
    while _OPEN and _OPEN[-1].is_finished:
        _OPEN.pop()
    return _OPEN[-1] if _OPEN else None


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: Any = None,  # noqa: A002 - W&B's names
    id: str | None = None,  # noqa: A002
    name: str | None = None,
    notes: str | None = None,
    tags: Iterable[str] | str | None = None,
    config: Any = None,
    config_exclude_keys: Iterable[str] | None = None,
    config_include_keys: Iterable[str] | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    reinit: Any = None,
    resume: Any = None,
    settings: Any = None,
    **options: Any,
) -> Run:
    """Start a run; arguments that are not given are taken from the settings and from W&B's variables.

    Args:
        entity: A team, which is kept as an attribute alone.
        project: The project.
        dir: Where the directory ``wandb`` for files of the program is made.
        id: An id of your own, of a run that is new or continued.
        name: Readable name.
        notes: Free text.
        tags: Labels.
        config: Values that become params: a mapping, a ``Namespace``, or the path of a YAML file.
        config_exclude_keys: Names of values that are left out.
        config_include_keys: Names of the only values that are kept.
        group: Label of runs that belong together.
        job_type: The tag ``job_type``.
        mode: ``disabled`` records nothing; every other mode records.
        reinit: ``create_new`` starts a run beside the current one, ``finish_previous`` or ``True`` ends that one. The
            default returns it.
        resume: ``must`` for a run that exists, ``never`` for one that does not; every other value continues the run of
            the id, or starts it.
        settings: Settings of W&B; those of the same names as arguments count.
        options: Other arguments of W&B.

    Raises:
        UsageError: If ``resume`` forbids the run.
        MultitrackError: As :func:`multitrack.start_run`.
    """
    given = settings_of(settings)
    reinit = first_of(reinit, given, "reinit")
    current = current_run()
    if current is not None and reinit != "create_new":
        if reinit not in (True, "finish_previous"):
            return current
        current.finish()
    mode = first_of(mode, given, "mode", "WANDB_MODE")
    project = first_of(project, given, "project", "WANDB_PROJECT")
    labels, job = tags_of(tags, given), first_of(job_type, given, "run_job_type", "WANDB_JOB_TYPE")
    notes = first_of(notes, given, "run_notes", "WANDB_NOTES")
    group = first_of(group, given, "run_group", "WANDB_RUN_GROUP")
    run_id, is_known = _identity(
        first_of(id, given, "run_id", "WANDB_RUN_ID"), first_of(resume, given, "resume", "WANDB_RESUME"), project
    )
    console = first_of(None, given, "console", "WANDB_CONSOLE") or "auto"
    capture = () if console == "off" or current_cell() is not None else ("stdout", "stderr")
    all_tags = {**dict.fromkeys(labels, _SET), **({"job_type": str(job)} if job else {})}
    arguments = {
        "project": None if is_known else project, "name": first_of(name, given, "run_name", "WANDB_NAME"),
        "notes": notes, "group": None if is_known else group, "tags": all_tags, "capture": capture,
    }  # fmt: skip
    if mode == "disabled":
        recording, is_child = start_run(project, disabled=True), False
    else:
        recording, is_child = start_or_join(run_id, **arguments)
    before = RecordedRun(recording.directory) if is_known and not is_child and recording.directory else None
    run = Run(
        recording,
        {
            "entity": first_of(entity, given, "entity", "WANDB_ENTITY") or "", "group": group or "",
            "job_type": job or "", "tags": labels, "notes": notes, "offline": mode == "offline",
            "resumed": before is not None, "sweep_id": None, "sweep_url": None, "project_url": None, "mode": mode,
        },
        config={} if before is None else nested(before.get_params().items()),
        summary={} if before is None else before.summary().metrics,
        step=0 if before is None else _next_step(before),
        place=Path(first_of(dir, given, "root_dir", "WANDB_DIR") or "."),
    )  # fmt: skip
    _OPEN.append(run)
    if is_child:
        run.omissions.say_once("init", "another process writes the run of this id, and this is its child")
    for option in sorted(name for name, value in options.items() if value and name not in _WITHOUT_MEANING):
        run.omissions.leave_out("init", f"{option} has no counterpart")
    if config is not None:
        run.config.update(_chosen(config, config_exclude_keys, config_include_keys))
    return run


def _identity(given: Any, resume: Any, project: str | None) -> tuple[str | None, bool]:
    """The run id for an id, and whether there is such a run.

    Raises:
        UsageError: If ``resume`` forbids it.
    """
    journal = journal_here()
    if given is None or journal is None:
        if resume == "must" and journal is not None:
            raise UsageError('resume="must" needs id')
        return None, False
    run_id, is_known = run_id_of(given, project, journal)
    if resume == "must" and not is_known:
        raise UsageError(f'there is no run {given!r}, and resume="must" asks for one')
    if resume == "never" and is_known:
        raise UsageError(f'there is a run {given!r} already, and resume="never" asks for a new one')
    return run_id, is_known


def _next_step(run: RecordedRun) -> int:
    steps = [int(max(series.steps)) for series in run.get_all_series().values() if len(series.steps)]
    return max(steps, default=-1) + 1


def _chosen(config: Any, exclude: Iterable[str] | None, include: Iterable[str] | None) -> Any:
    """A config without the values that are not to be recorded."""
    if not isinstance(config, dict) or (exclude is None and include is None):
        return config
    kept = set(config) if include is None else set(include)
    return {key: value for key, value in config.items() if key in kept - set(exclude or ())}
