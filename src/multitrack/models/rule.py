"""The rule that numbers the versions of a model; docs/models.md explains it to users.

It depends on nothing but the facts of the new version and of the earlier ones, so it is deterministic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from multitrack.models.facts import Facts, Objective
from multitrack.models.numbers import Number


class Earlier(Protocol):
    """An earlier version."""

    @property
    def number(self) -> Number:
        """Its number."""

    @property
    def facts(self) -> Facts:
        """The facts about it."""


def next_number(new: Facts, earlier: Sequence[Earlier]) -> tuple[Number, list[str]]:
    """Number a new version of a model.

    Args:
        new: The facts about it.
        earlier: All earlier versions, in the order of their numbers.

    Returns:
        The number, and one sentence for each reason.
    """
    if not earlier:
        return Number(1, 0, 0), ["the first version"]
    last = earlier[-1]
    major, minor, pipeline = last.number
    if broken := _incompatible(last.facts, new):
        return Number(major + 1, 0, 0), [f"{text}, compared with {last.number}" for text in broken]
    peers = [one for one in earlier if one.number.major == major and _same_data(one.facts, new)]
    better, objective = _improved(new, peers)
    if better:
        return Number(major, minor + 1, 0), [objective]
    changes = [f"{text}, compared with {last.number}" for text in _changes(last.facts, new)]
    return Number(major, minor, pipeline + 1), [*changes, objective]


def _incompatible(old: Facts, new: Facts) -> list[str]:
    """Changes of what goes into the model and what comes out; a side that is not known is not compared."""
    found = []
    for key in ("inputs", "outputs", "digest"):
        before, after = (old.schema or {}).get(key), (new.schema or {}).get(key)
        if before is not None and after is not None and before != after:
            what = "the signature" if key == "digest" else key
            found.append(f"{what} changed from {_short(before)} to {_short(after)}")
    for name in sorted(old.schemas.keys() & new.schemas.keys()):
        before, after = old.schemas[name], new.schemas[name]
        if "target" in before and "target" in after and before["target"] != after["target"]:
            found.append(f"the target of {name} changed from {_short(before['target'])} to {_short(after['target'])}")
        if "digest" in before or "digest" in after:
            if before != after:
                found.append(f"the schema of {name} changed")
        elif "columns" in before and "columns" in after:
            found += _columns(name, before["columns"], after["columns"])
    return found


def _columns(name: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    texts = {
        "gained": sorted(after.keys() - before.keys()),
        "lost": sorted(before.keys() - after.keys()),
        "changed the type of": sorted(key for key in before.keys() & after.keys() if before[key] != after[key]),
    }
    return [f"{name} {verb} {_listed(columns)}" for verb, columns in texts.items() if columns]


def _same_data(old: Facts, new: Facts) -> bool:
    """Return True if both read the same datasets; data that is not known is not the same."""
    return bool(new.data) and old.data.keys() == new.data.keys() and not _changed_data(old, new) and _is_known(new)


def _changed_data(old: Facts, new: Facts) -> list[str]:
    """The names of datasets that differ: in their digests, or where one has none, in their versions."""
    return [
        name
        for name in sorted(old.data.keys() | new.data.keys())
        if (
            old.digests[name] != new.digests[name]
            if name in old.digests and name in new.digests
            else old.data.get(name) != new.data.get(name)
        )
    ]


def _is_known(facts: Facts) -> bool:
    return bool(facts.data) and None not in facts.data.values()


def _improved(new: Facts, peers: Sequence[Earlier]) -> tuple[bool, str]:
    """Return True if the objective is better than that of all earlier versions on this data; and the reason."""
    objective = new.objective
    if objective is None:
        return False, "no objective was named, so no improvement is known"
    if objective.value is None:
        return False, f"the run has no finite {objective.metric}"
    if not _is_known(new):
        return False, "the version of the training data is not known, so objectives are not compared"
    values = [
        (one.facts.objective.value, one.number)
        for one in peers
        if one.facts.objective is not None and _comparable(one.facts.objective, objective)
    ]
    known = [(value, number) for value, number in values if value is not None]
    if not known:
        return False, f"no earlier version has {objective.metric} on this data"
    best, number = (max if objective.direction == "max" else min)(known, key=lambda pair: pair[0])
    better = objective.value > best if objective.direction == "max" else objective.value < best
    if better:
        return True, f"{objective.metric} improved from {best:g} ({number}) to {objective.value:g} on the same data"
    return False, f"{objective.metric} {objective.value:g} is not better than {best:g} ({number}) on the same data"


def _comparable(old: Objective, new: Objective) -> bool:
    return (old.metric, old.direction) == (new.metric, new.direction)


def _changes(old: Facts, new: Facts) -> list[str]:
    """Changes of the training itself."""
    found = [
        f"{name} changed from {_cut(old.data.get(name))} to {_cut(new.data.get(name))}"
        for name in _changed_data(old, new)
    ]
    if old.commit != new.commit:
        found.append(f"the code changed from commit {_commit(old)} to {_commit(new)}")
    elif old.source != new.source:
        found.append("uncommitted changes of the code differ" if new.commit else "the script changed")
    if old.params != new.params:
        found.append("params changed")
    for key in ("architecture", "framework"):
        before, after = (old.schema or {}).get(key), (new.schema or {}).get(key)
        if before is not None and after is not None and before != after:
            found.append("the architecture changed" if key == "architecture" else f"{before} became {after}")
    return found or ["trained again with the same code, params and data"]


def _cut(version: str | None) -> str:
    """A version of data with the first characters of its hash."""
    if version is None:
        return "nothing known"
    tool, sign, value = version.rpartition(":")
    return f"{tool}{sign}{value[:12]}"


def _commit(facts: Facts) -> str:
    return facts.commit[:12] if facts.commit else "none"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")
