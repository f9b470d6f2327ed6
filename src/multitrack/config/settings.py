"""Config keys and backend options: their types, and the top-level settings."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

#: A backend option that is a path: made absolute from the file it stands in.
PathOption = Annotated[str, msgspec.Meta(extra={"multitrack": "path"})]
#: A backend option that is a URI or a path; SQLite and file URIs, and bare paths, are made absolute.
UriOption = Annotated[str, msgspec.Meta(extra={"multitrack": "uri"})]
#: A backend option that has local files sent away: `multitrack sync` follows it only where the config there says the
#: same, as a journal may have been sent by somebody else.
FilesOption = Annotated[list[str], msgspec.Meta(extra={"multitrack": "files"})]
#: In seconds; what is to come again cannot come again after infinity.
_A_YEAR: Final = 366 * 86400


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The top-level keys of the config.

    Attributes:
        project: Project of runs that name none; default: the current directory's name.
        backends: Where runs are delivered.
        journal: Where journals live.
        delivery: ``process``: a courier process of its own; ``thread``: a thread of the training process;
            ``off``: journal only, ``multitrack sync`` later.
        exit: ``wait``: the end of a run waits as long as records move; ``detach``: it returns at once, and the courier
            goes on alone for at most ``detach_limit`` seconds.
        detach_limit: Seconds that a courier goes on after the training process, at most.
        ranks: Of a training in several processes: ``zero``: only rank 0 records; ``all``: each rank is a child run;
            ``off``: nobody asks for the rank, each process records runs of its own.
        mistakes: What a wrong call does: ``raise``, or ``warn`` and set the record aside, counted.
        plugins: Plugins that are no backends, by entry point or import path.
        interval: Seconds between deliveries while training runs.
        fsync: Seconds after which a record is on the medium and outlives a power cut; ``false``: as the kernel likes.
    """

    project: str | None = None
    backends: list[str] = []
    journal: PathOption = ".multitrack"
    delivery: Literal["process", "thread", "off"] = "process"
    exit: Literal["wait", "detach"] = "wait"
    detach_limit: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    ranks: Literal["zero", "all", "off"] = "zero"
    mistakes: Literal["raise", "warn"] = "raise"
    plugins: list[str] = []
    interval: Annotated[float, msgspec.Meta(gt=0, le=_A_YEAR)] = 1.0
    fsync: Annotated[float, msgspec.Meta(gt=0, le=_A_YEAR)] | bool = False

    def __post_init__(self) -> None:
        if self.fsync is True:
            raise ValueError("fsync = true does not say how often: set seconds, such as 1.0, or false")


def role_of(kind: Any) -> str | None:
    """``path``, ``uri`` or ``files`` for options annotated as such, also where they may be ``None``."""
    for part in (kind, *getattr(kind, "__args__", ())):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "multitrack" in meta.extra:
                return str(meta.extra["multitrack"])
    return None
