"""Names in Trackio: of metrics and config keys, of projects, and of runs.

Trackio keeps any name, but gives some a meaning of its own. A name that has one here gets a ``~`` in front, and so does
a name that begins with ``~``, so that different names stay different:

=============================  ==========================================================
``step``, ``time``, …          columns of Trackio's dashboard
``__x`` (metrics), ``_x``      Trackio's own keys
``logs/``, ``exact/``, …       this backend's own keys
=============================  ==========================================================
"""

from __future__ import annotations

from typing import Final

#: Prefixes of this backend's own keys, beside metrics.
LOGS: Final = "logs/"
EXACT: Final = "exact/"
FIGURES: Final = "figures/"
#: Prefixes of this backend's own keys, beside params.
OWN: Final = "multitrack/"
TAGS: Final = "tags/"
ARTIFACTS: Final = "artifacts/"
SUMMARY: Final = "summary/"

#: Keys of a row that Trackio fills in by itself, or renames.
_ROW_KEYS: Final = frozenset({"project", "run", "timestamp", "step", "time", "metrics"})
_ROW_PREFIXES: Final = ("~", "__", LOGS, EXACT, FIGURES, OWN)
_CONFIG_PREFIXES: Final = ("~", "_", OWN, TAGS, ARTIFACTS, SUMMARY, EXACT)

#: Trackio reserves project names with these beginnings and ends for its own files.
_RESERVED_BEGINNING: Final = "registry-"
_RESERVED_ENDS: Final = (
    "_system", "_configs", "_traces", "_artifacts", "_artifact_versions", "_artifact_aliases", "_run_artifact_links",
    "_external_run_artifact_links",
)  # fmt: skip
_PROJECT_LENGTH: Final = 60
_RUN_LENGTH: Final = 200


def metric_key(name: str) -> str:
    """Return the key of a metric in Trackio's rows."""
    return f"~{name}" if name in _ROW_KEYS or name.startswith(_ROW_PREFIXES) else name


def param_key(name: str) -> str:
    """Return the key of a param in Trackio's config."""
    return f"~{name}" if name.startswith(_CONFIG_PREFIXES) else name


def name_of(key: str) -> str:
    """Return the name of a metric or param for its key."""
    return key.removeprefix("~")


def project_name(project: str) -> str:
    """Return the project's name in Trackio, which is also the name of its file.

    Trackio drops all characters but letters, digits, ``-`` and ``_``, so that ``my.model`` and ``mymodel`` would be one
    project. A name that it would change gets a digest of the whole name at its end.
    """
    safe = "".join(letter for letter in project if letter.isalnum() or letter in "-_")[:_PROJECT_LENGTH]
    if safe.startswith(_RESERVED_BEGINNING):
        safe = f"project-{safe}"
    if safe != project or safe.endswith(_RESERVED_ENDS):
        return f"{safe or 'project'}-{digest_of(project)}"
    return safe


def run_name(name: str) -> str:
    """Return the run's name in Trackio.

    Trackio uses it as a directory when a run is renamed, so ``/``, ``.`` and ``..`` are replaced by similar characters,
    and a long name is cut; the config has the whole name.
    """
    name = name.replace("/", "∕").replace("\\", "∖")
    if not name.strip(". "):
        name = name.replace(".", "․")
    return name if len(name) <= _RUN_LENGTH else f"{name[: _RUN_LENGTH - 1]}…"


def run_identity(run_id: str, created: int, host: str) -> str:
    """Return the run's id in Trackio. Runs of the same id in two journals differ in the time of their start."""
    return f"{run_id}-{digest_of(f'{created} {host}')}"


def digest_of(text: str) -> str:
    """Return a short digest of a text."""
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    return hashlib.sha256(text.encode()).hexdigest()[:8]
