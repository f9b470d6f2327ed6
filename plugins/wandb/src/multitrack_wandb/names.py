"""Map names to W&B's names, and values that W&B would alter to stand-ins.

The result depends on the name alone, never on other names, so that a redelivery gives the same. Two different names
never become equal.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import math
import re
from typing import Any, Final

#: Largest integer up to which W&B's numbers, which are JavaScript's, are exact.
EXACT: Final = 2**53

#: Column with a row's step, shared by all its series: one column per series would nearly double a row's cost.
STEP: Final = "multitrack/step"

# Reserved columns: ours (STEP, "exact x", "figures/x") and W&B's. A metric with such a name is renamed to
# "metric ...", and so is a metric whose name already has that form.
_TAKEN_METRIC: Final = re.compile(
    r"(?:metric )*(?:exact |figures/|(?:multitrack/step|_step|_runtime|_timestamp|_wandb)(?:$|[./]))"
)
_TAKEN_PARAM: Final = re.compile(r"(?:param )*(?:multitrack(?:$|[./])|_wandb(?:$|[./])|-)")
# The SDK strips every "-" from both ends of a config key.
_STRIPPED: Final = re.compile(r"-_*$")
_PROJECT: Final = re.compile(r"[/\\#?%:\x00-\x1f\x7f]")
_ARTIFACT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST: Final = 128
_LONGEST_TAG: Final = 64
_RESERVED_TYPES: Final = frozenset({"job", "run_table", "code"})


@functools.lru_cache(maxsize=1024)  # called for every point
def metric_key(name: str) -> str:
    """Return the column of a metric: its name, unless that is reserved."""
    return f"metric {name}" if _TAKEN_METRIC.match(name) else name


def exact_key(key: str) -> str:
    """Return the column with the exact text of values that the column ``key`` holds only rounded."""
    return f"exact {key}"


def figure_key(name: str) -> str:
    """Return the column of a figure's image, in characters of which W&B makes a safe file name."""
    return f"figures/{artifact_name(name)}"


def param_key(name: str) -> str:
    """Return the config key of a param: its name, unless that is reserved."""
    return config_key(f"param {name}" if _TAKEN_PARAM.match(name) else name)


def config_key(key: str) -> str:
    """Return a config key whose end W&B keeps; the key must not begin with ``-``."""
    return f"{key}_" if _STRIPPED.search(key) else key


def original_key(key: str) -> str:
    """Undo :func:`config_key`."""
    return key[:-1] if key.endswith("_") and _STRIPPED.search(key[:-1]) else key


def can_have_axis(key: str) -> bool:
    """Return True if the x axis of ``key`` can be set: in W&B's rules a ``*`` is always a wildcard."""
    return "*" not in key


def rule_name(key: str) -> str:
    """Escape a column for W&B's rules, where a bare dot goes one level down."""
    return key.replace(".", "\\.")


def config_value(value: Any) -> Any:
    """Return a param's value for the config without loss: as text if JSON numbers cannot hold it."""
    if isinstance(value, list):
        return [config_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT:
        return str(value)
    return value


def project_name(project: str) -> str:
    """Return a project's name without the characters that W&B rejects."""
    return _PROJECT.sub("-", project)[:_LONGEST].strip() or "multitrack"


def display_name(name: str) -> str:
    """Return a run's or group's name, cut to W&B's maximum length."""
    return name[:_LONGEST]


def artifact_name(name: str) -> str:
    """Return an artifact's name in W&B's characters; a changed name ends in a digest that keeps it unique."""
    plain = _ARTIFACT.sub("-", name)
    if plain == name and len(name) <= _LONGEST and name not in {".", ".."}:  # the SDK rejects these
        return name
    return f"{plain[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def artifact_type(kind: str) -> str:
    """Return an artifact's type, prefixed if W&B reserves it."""
    plain = re.sub(r"[/:]", "-", kind)[:_LONGEST]
    if plain in _RESERVED_TYPES or plain.startswith("wandb-"):
        return f"multitrack-{plain}"
    return plain or "file"


def run_tag(key: str, value: str) -> str | None:
    """Return a tag as W&B shows it, or ``None`` if it is too long."""
    tag = f"{key}:{value}"
    return tag if len(tag) <= _LONGEST_TAG else None


def moment(milliseconds: int) -> str:
    """Format a time for the config, as ISO 8601 text in UTC."""
    found = datetime.datetime.fromtimestamp(milliseconds // 1000, datetime.UTC)
    return found.replace(microsecond=milliseconds % 1000 * 1000).isoformat(timespec="milliseconds")
