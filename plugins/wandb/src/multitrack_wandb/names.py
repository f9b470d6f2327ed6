"""What W&B calls things, and what stands in for values that it would alter.

Every name is decided by the name alone, never by which others exist, so that a redelivery decides the same.
Two different names never become one.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import math
import re
from typing import Any, Final

#: Beyond this W&B's numbers, which are JavaScript's, are no longer exact.
EXACT: Final = 2**53

#: The column that holds a row's step, one for all its series: a column each would nearly double a row's cost.
STEP: Final = "multitrack/step"

# Ours (STEP, "exact x") and W&B's own columns: a metric of such a name is called "metric ..." instead, and
# one that is already called so gets the word once more.
_TAKEN_METRIC: Final = re.compile(
    r"(?:metric )*(?:exact |(?:multitrack/step|_step|_runtime|_timestamp|_wandb)(?:$|[./]))"
)
_TAKEN_PARAM: Final = re.compile(r"(?:param )*(?:multitrack(?:$|[./])|_wandb(?:$|[./])|-)")
# The SDK strips every "-" from both ends of a config key.
_STRIPPED: Final = re.compile(r"-_*$")
_PROJECT: Final = re.compile(r"[/\\#?%:\x00-\x1f\x7f]")
_ARTIFACT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST: Final = 128
_LONGEST_TAG: Final = 64
_RESERVED_TYPES: Final = frozenset({"job", "run_table", "code"})


@functools.lru_cache(maxsize=1024)  # asked for every point
def metric_key(name: str) -> str:
    """The column of a metric: its name, unless that is taken."""
    return f"metric {name}" if _TAKEN_METRIC.match(name) else name


def exact_key(key: str) -> str:
    """The column that holds, as text, what the column ``key`` can only hold rounded."""
    return f"exact {key}"


def param_key(name: str) -> str:
    """The config key of a param: its name, unless that is taken."""
    return config_key(f"param {name}" if _TAKEN_PARAM.match(name) else name)


def config_key(key: str) -> str:
    """A key of the config that does not begin with ``-``, with an end that W&B leaves alone."""
    return f"{key}_" if _STRIPPED.search(key) else key


def can_have_axis(key: str) -> bool:
    """Whether W&B can be told the x axis of ``key``: in its rules a ``*`` is always a wildcard."""
    return "*" not in key


def rule_name(key: str) -> str:
    """A column as W&B's rules spell it, where a bare dot goes one level down."""
    return key.replace(".", "\\.")


def config_value(value: Any) -> Any:
    """A param's value as the config keeps it without loss: text for what JSON numbers cannot hold."""
    if isinstance(value, list):
        return [config_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT:
        return str(value)
    return value


def project_name(project: str) -> str:
    """A project's name without what W&B refuses."""
    return _PROJECT.sub("-", project)[:_LONGEST].strip() or "multitrack"


def display_name(name: str) -> str:
    """A run's or group's name, as long as W&B shows it."""
    return name[:_LONGEST]


def artifact_name(name: str) -> str:
    """An artifact's name in W&B's letters; one that had to change ends in a digest that keeps it apart."""
    plain = _ARTIFACT.sub("-", name)
    if plain == name and len(name) <= _LONGEST and name not in {".", ".."}:  # which the SDK refuses
        return name
    return f"{plain[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def artifact_type(kind: str) -> str:
    """An artifact's type; W&B keeps some for itself."""
    plain = re.sub(r"[/:]", "-", kind)[:_LONGEST]
    if plain in _RESERVED_TYPES or plain.startswith("wandb-"):
        return f"multitrack-{plain}"
    return plain or "file"


def run_tag(key: str, value: str) -> str | None:
    """A tag as W&B shows it, or ``None`` where it is too long to be shown."""
    tag = f"{key}:{value}"
    return tag if len(tag) <= _LONGEST_TAG else None


def moment(milliseconds: int) -> str:
    """A time as the config has it."""
    found = datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.UTC)
    return found.replace(microsecond=milliseconds % 1000 * 1000).isoformat(timespec="milliseconds")
