"""Resolve the arguments of ``start_run`` and the config into a checked plan, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack import plugins
from multitrack._text import check_name, clean_text, shown
from multitrack.config import Config, Settings
from multitrack.courier.hosts import Delivery
from multitrack.errors import ConfigError, JournalError, RunError
from multitrack.inputs.captures import captures_in
from multitrack.inputs.prepare import PreparedParams, prepare_params, prepare_tags
from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import BackendEntry, Compaction, Manifest, read_manifest
from multitrack.journal.run_ids import check_run_id
from multitrack.recording.backends import choose, several
from multitrack.recording.run import Run
from multitrack.security.redaction import Redactor, secret_values

#: Arguments of ``start_run`` that are tags of the same name.
_LABELS: Final = ("deployment", "trigger")


class Request(msgspec.Struct, frozen=True):
    """The arguments of ``start_run``, and what was found out before the plan.

    Attributes:
        wrong: The errors of invalid arguments that were already left out.
        reproduces: The id of the run that this one reproduces, as its child.
    """

    project: str | None = None
    name: str | None = None
    params: Any = None
    tags: Mapping[str, Any] | None = None
    notes: str | None = None
    group: str | None = None
    parent: Any = None
    deployment: str | None = None
    trigger: str | None = None
    backends: Any = None
    run_id: str | None = None
    capture: Any = ()
    wrong: tuple[Exception, ...] = ()
    reproduces: str | None = None


class WrongCalls:
    """Raises the error of an invalid argument, or with ``mistakes = "warn"`` keeps it and omits the argument.

    Attributes:
        kept: The kept errors, to be recorded as mistakes once the run is open.
    """

    def __init__(self, settings: Settings, kept: tuple[Exception, ...] = ()) -> None:
        self._raises = settings.mistakes != "warn"
        self.kept = list(kept)

    def check(self, check: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of a check; None if it raised and the error is kept."""
        try:
            return check(*arguments)
        except Exception as error:
            if self._raises:
                raise
            self.kept.append(error)
            return None


class Plan(msgspec.Struct, frozen=True):
    """A fully checked description of a run to start; nothing has been written yet.

    Attributes:
        request: The checked arguments.
        settings: The run's settings.
        parent: The parent, if it is a run of this process.
        inherited: The parent's manifest, if known.
        extensions: The plugins that are not backends.
        delivery: The backends and their options.
        entries: The backends and their options without secrets, for the manifest.
        redactor: Redacts secrets.
        redacted: Number of values redacted in ``entries``.
        params: The params in their journal form.
        tags: The tags in their journal form.
        tags_redacted: Number of values redacted in the tags.
        wrong: Errors of the arguments that are left out.
        compaction: How old records are compacted; None to keep them all.
    """

    request: Request
    settings: Settings
    parent: Run | None
    inherited: Manifest | None
    extensions: list[plugins.Extension]
    delivery: Delivery
    entries: list[BackendEntry]
    redactor: Redactor
    redacted: int
    params: PreparedParams | None
    tags: dict[str, str] | None
    tags_redacted: int
    wrong: tuple[Exception, ...]
    compaction: Compaction | None


def resolve(loaded: Config, request: Request, *, inherited: Manifest | None = None, override: bool = False) -> Plan:
    """Resolve and check everything that a run needs.

    Args:
        loaded: The loaded config.
        request: The arguments of ``start_run``.
        inherited: The parent's manifest, if it may not be on disk yet.
        override: True if a config was passed for a child of a run of this process. Its keys and tables then replace
            the parent's, which apply otherwise.

    Raises:
        ConfigError, BackendNotInstalledError, PluginError: As ``start_run``.
        RunError: If the parent's manifest cannot be read.
        TypeError, ValueError: If an argument is invalid, and ``mistakes`` is ``raise``.
    """
    parent = request.parent if isinstance(request.parent, Run) else None
    settings = loaded.settings
    if parent is not None:
        given = {key: getattr(loaded.settings, key) for key in loaded.given} if override else {}
        settings = msgspec.structs.replace(parent.settings, **given)
    wrong = WrongCalls(settings, request.wrong)
    request = _checked(request, wrong)
    inherited = inherited or _find_parent(request, settings)
    extensions = plugins.extensions(settings.plugins)
    delivery = _delivery(loaded, request, settings, parent, wrong, override=override)
    secrets = [value for some in delivery.options.values() for value in secret_values(some)]
    redactor = Redactor(extensions, secrets)
    redaction = Redactor(secrets=secrets).begin()  # no plugins here: `multitrack sync` needs the options that remain
    entries = [
        BackendEntry.of(entry.name, entry.load, redaction.options(delivery.options[entry.name]))
        for entry in delivery.entries
    ]
    params = tags = None
    if request.params is not None:
        params = wrong.check(prepare_params, request.params, None, redactor.begin())
    tagging = redactor.begin()
    if request.tags is not None:
        tags = wrong.check(prepare_tags, request.tags, tagging)
    labels = {name: value for name in _LABELS if (value := getattr(request, name)) is not None}
    if labels:
        tags = {**(tags or {}), **prepare_tags(labels, tagging)}
    return Plan(
        request, settings, parent, inherited, extensions, delivery, entries, redactor, redaction.count,
        params, tags, tagging.count, tuple(wrong.kept), _compaction(settings, request, loaded),
    )  # fmt: skip


def _compaction(settings: Settings, request: Request, loaded: Config) -> Compaction | None:
    """How the run's old records are compacted.

    Raises:
        ConfigError: If that needs a package that is not installed.
    """
    if request.deployment is None or (chosen := settings.compaction) is None:
        return None
    from multitrack.summaries.digests import mapping  # noqa: PLC0415 - most runs keep all records

    try:
        mapping()
    except ConfigError as error:
        raise ConfigError(f"{loaded.origins['compact_after']}: {error}", key="compact_after") from None
    return chosen


def _checked(request: Request, wrong: WrongCalls) -> Request:
    """Check the request's texts; an invalid argument is left out."""
    checked: dict[str, Any] = {"capture": wrong.check(captures_in, request.capture, wrong.check) or ()}
    for what in ("project", "name", "group", *_LABELS):
        value = getattr(request, what)
        if value is not None:
            checked[what] = wrong.check(check_name, value, "run" if what == "name" else what)
    if request.notes is not None:
        checked["notes"] = wrong.check(_text, request.notes, "notes")
    if request.run_id is not None:
        checked["run_id"] = wrong.check(check_run_id, request.run_id)
    if request.parent is not None and not isinstance(request.parent, Run):
        checked["parent"] = wrong.check(_parent_id, request.parent)
    return msgspec.structs.replace(request, **checked)


def _find_parent(request: Request, settings: Settings) -> Manifest | None:
    if isinstance(request.parent, Run):
        return request.parent.manifest
    if request.parent is None:
        return None
    directory = runs_directory(Path(settings.journal)) / request.parent
    if not directory.exists():
        return None  # the parent is in another machine's journal
    try:
        return read_manifest(directory)
    except JournalError as error:
        raise RunError(f"parent={request.parent!r}: {error}") from error


def _delivery(
    loaded: Config, request: Request, settings: Settings, parent: Run | None, wrong: WrongCalls, *, override: bool
) -> Delivery:
    """The run's backends and options: from the call, else the config, else the parent."""

    def given() -> list[object]:
        # an object that is not a backend is an invalid argument; an unknown name is a config error, raised by choose
        named = wrong.check(several, request.backends) or []
        return [one for one in named if isinstance(one, str) or wrong.check(plugins.load_backend, one)]

    if parent is None:
        return choose(loaded, settings.backends if request.backends is None else given(), settings)
    inherited = parent.delivery
    chosen: list[Any]
    if request.backends is not None:
        chosen = given()
    elif override and "backends" in loaded.given:
        chosen = settings.backends
    elif override and loaded.tables:
        chosen = [inherited.objects.get(entry.name, entry.load) for entry in inherited.entries]
    else:
        return msgspec.structs.replace(inherited, interval=settings.interval)
    return choose(loaded, chosen, settings, inherited.options if override else {})


def _parent_id(parent: Any) -> str:
    if not isinstance(parent, str):
        raise TypeError(f"parent must be a run or the id of one, got {shown(parent)}")
    return check_run_id(parent)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, got {shown(value)}")
    return clean_text(value)
