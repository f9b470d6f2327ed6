"""Config keys and backend options: their types, and the top-level settings."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from multitrack.journal.lock_choice import LockSetting
from multitrack.journal.manifest import Compaction

#: A backend option that is a path; a relative one is resolved against the folder of the config file.
PathOption = Annotated[str, msgspec.Meta(extra={"multitrack": "path"})]
#: A backend option that is a URI or a path; SQLite and file URIs, and bare paths, are made absolute.
UriOption = Annotated[str, msgspec.Meta(extra={"multitrack": "uri"})]
#: A backend option that lists local files to upload. `multitrack sync` uploads only those that the config there names
#: as well, because a journal may come from somebody else.
FilesOption = Annotated[list[str], msgspec.Meta(extra={"multitrack": "files"})]
#: Default for the maximum size, in bytes, of a figure that a backend copies to its tracker.
FIGURE_LIMIT: Final = 10_000_000
#: A fact of a run's origin, as the setting ``code`` names it.
CodePart = Literal["git", "diff", "script", "packages", "hardware"]
ALL_CODE: Final[tuple[CodePart, ...]] = ("git", "diff", "script", "packages", "hardware")
#: Maximum of an interval, in seconds; an infinite one could not be scheduled.
_A_YEAR: Final = 366 * 86400
_TEN_YEARS: Final = 10 * _A_YEAR


class AlertSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One table ``[[alerts]]`` of the config: a rule of an alert.

    Attributes:
        when: The rule: ``loss > 3 x best`` (docs/alerts.md).
        name: A name for messages; default: the rule.
        where: Only runs that match this filter.
        notify: The notifiers to tell; default: all of the config, or else ``log``.
    """

    when: str
    name: str | None = None
    where: str | None = None
    notify: list[str] | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The top-level keys of the config.

    Attributes:
        project: Project of runs without one; default: the current directory's name.
        backends: Backends to deliver runs to.
        journal: Directory of the journal.
        delivery: ``process``: a separate courier process; ``thread``: a thread of the training process;
            ``off``: journal only, to be delivered later by ``multitrack sync``.
        courier: With ``delivery = "process"``. ``process``: each training process starts its own courier; ``node``:
            processes of one user and machine that agree in journal, backends and environment share one.
        exit: ``wait``: the end of a run waits as long as records move; ``detach``: it returns at once, and the courier
            goes on alone for at most ``detach_limit`` seconds.
        detach_limit: Maximum seconds that a courier goes on after the training process.
        ranks: For training in several processes. ``zero``: only rank 0 records; ``all``: each rank is a child run;
            ``off``: ranks are ignored, and each process records its own runs.
        mistakes: Handling of invalid calls. ``raise``: raise the error; ``warn``: log a warning, and count and keep the
            call as a mistake.
        code: Parts of a run's origin to record, beside command, user and host. ``git``: commit, branch, remote, names
            of changed and untracked files, submodules; ``diff``: the changes since the commit; ``script``: the script,
            or a notebook's cells; ``packages``: installed distributions, and digests of lock files; ``hardware``:
            the system, processor, memory and GPUs.
        worker_timeout: Seconds without a sign of life after which the chief of a distributed search gives up a worker.
        plugins: Plugins that are not backends, by entry point or import path.
        interval: Seconds between deliveries while training runs.
        locks: How processes keep out of each other's way in the journal. ``auto``: by locks on its files, and also by
            leases on a file system that several machines share, or that has no locks; ``lease``: always by both;
            ``flock``: by locks alone, which then have to hold between all machines.
        fsync: Seconds after which a record is synced to disk and survives a power cut; ``false`` to leave it to the
            kernel.
        compact_after: For runs with a deployment, the age from which old records are compacted: ``7d``, ``1h``;
            ``never`` to keep all records.
        compact: The kinds of records to compact: ``metrics``, which are simple metrics, become figures of 5 minutes;
            ``lines`` are dropped and counted.
        alerts: The rules of alerts.
        notify: The options of each notifier, by its name; ``plugin`` names its plugin, if that has another name.
    """

    project: str | None = None
    backends: list[str] = []
    journal: PathOption = ".multitrack"
    delivery: Literal["process", "thread", "off"] = "process"
    courier: Literal["process", "node"] = "process"
    exit: Literal["wait", "detach"] = "wait"
    detach_limit: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    ranks: Literal["zero", "all", "off"] = "zero"
    mistakes: Literal["raise", "warn"] = "raise"
    worker_timeout: Annotated[float, msgspec.Meta(gt=0, le=_A_YEAR)] = 600.0
    code: list[CodePart] = msgspec.field(default_factory=lambda: list(ALL_CODE))
    plugins: list[str] = []
    interval: Annotated[float, msgspec.Meta(gt=0, le=_A_YEAR)] = 1.0
    locks: LockSetting = "auto"
    fsync: Annotated[float, msgspec.Meta(gt=0, le=_A_YEAR)] | bool = False
    compact_after: str = "never"
    compact: list[Literal["metrics", "lines"]] = msgspec.field(default_factory=lambda: ["metrics"])
    alerts: list[AlertSettings] = []
    notify: dict[str, dict[str, Any]] = {}

    def __post_init__(self) -> None:
        if self.fsync is True:
            raise ValueError("fsync = true does not say how often: set seconds, such as 1.0, or false")
        _ = self.compaction  # raises if it is wrong

    @property
    def compaction(self) -> Compaction | None:
        """How old records of a run with a deployment are compacted; None to keep them all.

        Raises:
            ValueError: If ``compact_after`` is neither a duration nor ``never``.
        """
        if self.compact_after == "never" or not self.compact:
            return None
        try:
            return compaction_of(self.compact_after, list(self.compact))
        except ValueError as error:
            raise ValueError(f"compact_after: {error}, or 'never'") from None


def compaction_of(after: str, kinds: list[str]) -> Compaction:
    """How records are compacted at an age such as ``7d``.

    Raises:
        ValueError: If the age is none, or not between a second and ten years.
    """
    from multitrack.query.times import parse_duration  # noqa: PLC0415 - most training code needs no parser

    try:
        seconds = parse_duration(after)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= _TEN_YEARS:
        raise ValueError(f"{after!r} is not an age between 1s and ten years, such as 7d, 12h or 30min")
    return Compaction(seconds, kinds)


def role_of(kind: Any) -> str | None:
    """The role of an annotated option, optional or not: ``path``, ``uri`` or ``files``; None for any other type."""
    for part in (kind, *getattr(kind, "__args__", ())):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "multitrack" in meta.extra:
                return str(meta.extra["multitrack"])
    return None
