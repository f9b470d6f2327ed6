"""Open a planned run: its directory, manifest and first records."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import cast

import msgspec

from multitrack._text import clean_text
from multitrack.environment.context import quick_context
from multitrack.environment.notebook import current_cell
from multitrack.errors import JournalError, RunError
from multitrack.journal.fsync import keep_durable, put_on_medium
from multitrack.journal.layout import check_links, runs_directory
from multitrack.journal.lock_choice import choose_locks
from multitrack.journal.manifest import Manifest, read_manifest, write_manifest
from multitrack.journal.provenance import REPRODUCES
from multitrack.journal.run_directory import made
from multitrack.journal.run_ids import new_run_id
from multitrack.journal.run_names import random_name
from multitrack.journal.segments import cannot_write, opening
from multitrack.journal.writer import Writer
from multitrack.recording import lifecycle
from multitrack.recording.capture import Capture
from multitrack.recording.history import Past
from multitrack.recording.plan import Plan, WrongCalls
from multitrack.recording.remote_run import RunElsewhere
from multitrack.recording.resuming import past_of
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")


def manifest_of(plan: Plan, run_id: str) -> Manifest:
    """Create the manifest of the planned run, with this id."""
    request, inherited, redaction = plan.request, plan.inherited, plan.redactor.begin()
    project = request.project or (inherited.project if inherited else plan.settings.project)
    group = request.group or (inherited.group if inherited else None)
    manifest = Manifest(
        id=run_id, project=redaction.text(clean_text(project or _directory_name() or "project")),
        name=redaction.text(request.name or "") or random_name(),
        created=int(time.time() * 1000), context=quick_context(redaction) if _needs_context(plan) else None,
        parent=inherited.id if inherited else request.parent,
        group=group and redaction.text(clean_text(group)), notes=request.notes and redaction.text(request.notes),
        backends=plan.entries, compact=plan.compaction,
    )  # fmt: skip
    return msgspec.structs.replace(manifest, redacted=plan.redacted + redaction.count)


def open_run(plan: Plan) -> Run:
    """Open the run: write the journal's first records and start delivery.

    Raises:
        JournalError: If the journal's directory cannot be written.
        RunInUseError: If a live process writes the run of this id.
        RunError, ParamChangedError: If a resumed run has another project, group, parent or param value, and
            ``mistakes`` is ``raise``.
    """
    request, redactor, settings = plan.request, plan.redactor, plan.settings
    wrong = WrongCalls(settings, plan.wrong)
    run_id = request.run_id or new_run_id()
    manifest = manifest_of(plan, run_id)
    directory = runs_directory(Path(settings.journal)) / run_id
    with made(directory):
        manifest, past, writer = _open_journal(plan, directory, manifest, wrong)
    if settings.fsync:
        put_on_medium(directory / "manifest.json")
    keep_durable(writer, settings.fsync)
    delivery = plan.delivery
    if manifest.compact is not None:
        delivery = msgspec.structs.replace(delivery, compact=manifest.compact.look_every)
    host = lifecycle.host_for(settings)
    if plan.delivery.alerts:
        _note_start_of_alerts(Path(settings.journal), plan.delivery.alerts["start"])
    run = Run(
        manifest, directory, settings, writer=writer, past=past, parent=plan.parent, host=host, redactor=redactor,
        delivery=delivery, version_finders=[one for one in plan.extensions if one.finds_versions],
    )  # fmt: skip
    _notice_open_cells(run, captures=bool(request.capture))
    lifecycle.remember(run)
    if plan.parent is not None:
        plan.parent.adopt(run)
    _add_context(plan, run)
    if request.reproduces is not None:
        run.set_tags({REPRODUCES: request.reproduces})
    if plan.tags:
        run.record_tags(plan.tags, plan.tags_redacted)
    if plan.params is not None:
        wrong.check(run.record_params, plan.params)
    for error in wrong.kept:
        run.set_aside("start_run", error)
    lifecycle.gather_context(run, directory, redactor)
    if host is not None and (manifest.backends or delivery.alerts or delivery.compact):
        host.add(directory, delivery)
    if request.capture:
        run.start_capture(Capture(run, request.capture).close)
    return run


def _note_start_of_alerts(journal: Path, start: int) -> None:
    from multitrack.alerts.state import note_start  # noqa: PLC0415 - most runs have no alerts

    try:
        note_start(journal, start)
    except (JournalError, OSError) as error:  # the courier says more if it persists
        log.warning("multitrack: alerts of %s: %s", journal, error)


def _needs_context(plan: Plan) -> bool:
    """Return True if the run cannot share its parent's context: another process's, or in another journal.

    A run that reproduces its parent has other code and another machine.
    """
    if plan.inherited is None or plan.request.reproduces or isinstance(plan.parent, RunElsewhere):
        return True
    return plan.parent is not None and plan.parent.settings.journal != plan.settings.journal


def _open_journal(plan: Plan, directory: Path, manifest: Manifest, wrong: WrongCalls) -> tuple[Manifest, Past, Writer]:
    """Open the run's journal.

    Returns:
        The manifest (the existing one if the run is resumed), the recorded state, and the writer of a new segment.
    """
    past = Past()
    check_links(directory)
    try:
        choose_locks(directory.parent.parent, plan.settings.locks)
    except OSError as error:
        raise cannot_write(directory, error) from error
    with opening(directory):
        if (directory / "manifest.json").exists():
            manifest = _continued(plan, read_manifest(directory), manifest, wrong)
            past = past_of(directory)
            if plan.params is not None and plan.settings.mistakes == "raise":
                past.check_params(directory.name, plan.params)
        writer = Writer(directory, not_before=past.last_time, manifest=msgspec.to_builtins(manifest))
        try:
            write_manifest(directory, manifest)
        except OSError as error:
            writer.close()
            raise cannot_write(directory, error) from error
    return manifest, past, writer


def _continued(plan: Plan, manifest: Manifest, asked: Manifest, wrong: WrongCalls) -> Manifest:
    """The manifest of a resumed run, with the backends of this process added.

    Raises:
        RunError: If the project, group or parent would change; ignored with ``mistakes = "warn"``.
    """
    request = plan.request
    for what, given in (("project", request.project), ("group", request.group), ("parent", request.parent)):
        was, wanted = getattr(manifest, what), getattr(asked, what)
        if given is not None and was != wanted:
            wrong.check(_refuse_change, manifest.id, what, was, wanted)
    chosen = {entry.name: entry for entry in (*manifest.backends, *plan.entries)}
    return msgspec.structs.replace(
        manifest, backends=list(chosen.values()), name=asked.name if request.name else manifest.name,
        notes=asked.notes or manifest.notes, redacted=manifest.redacted + plan.redacted,
        compact=asked.compact or manifest.compact,
    )  # fmt: skip


def _notice_open_cells(run: Run, *, captures: bool) -> None:
    """In a notebook, warn of runs that earlier cells left open; only the latest run captures output."""
    run.cell = current_cell()
    if run.cell is None:
        return
    for other in cast(list[Run], lifecycle.open_runs()):
        if other.disabled or other.in_block or other.cell in (None, run.cell) or other in run.ancestors():
            continue
        log.warning(
            "multitrack: run %s (%s) of cell %s is still open: call its end(), or multitrack.active_run().end() before "
            "you start another run", other.id, other.name, other.cell,
        )  # fmt: skip
        if captures:
            other.stop_capture()


def _add_context(plan: Plan, run: Run) -> None:
    for extension in plan.extensions:
        if not extension.adds_context:
            continue
        try:
            added = extension.run_context(run.project, run.name)
            run.set_tags(added.get("tags", {}))
            run.log_params(added.get("params", {}), source=extension.origin)
        except Exception as error:  # noqa: BLE001 - a plugin must not keep a run from starting
            log.warning("multitrack: %s raised in run_context and was left out: %s", extension.origin, error)


def _refuse_change(run_id: str, what: str, was: str | None, wanted: str | None) -> None:
    raise RunError(
        f"run {run_id} has the {what} {was!r} and cannot be continued with another one: start_run("
        f"{what}={wanted!r}, run_id=…)"
    )


def _directory_name() -> str:
    try:
        return Path.cwd().name
    except OSError:  # it was deleted
        return ""
