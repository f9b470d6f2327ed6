"""The facts of a run at a server, from W&B's public API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from multitrack_wandb.facts import Facts
from multitrack_wandb.settings import CREATED


def read_facts(native: Any) -> Facts:
    """Read the facts of a run, with another request.

    Args:
        native: The SDK's object.
    """
    native.load_full_data(force=True)  # by themselves, some releases take a config that was not asked for as empty
    raw = native.rawconfig
    own = raw.get("_wandb")
    own = own if isinstance(own, dict) else {}
    first, last = _environments(native, own)
    git = last.get("git")
    git = git if isinstance(git, dict) else {}
    created = milliseconds(native.created_at) or 0
    summary = dict(native.summary_metrics)
    inner = summary.get("_wandb")
    runtime = inner.get("runtime") if isinstance(inner, dict) else None
    facts = Facts(
        id=native.id,
        entity=native.entity,
        project=native.project,
        name=native.name or "",
        group=native.group or "",
        notes=native.notes or "",
        tags=list(native.tags or ()),
        job_type=native.job_type or "",
        sweep=native.sweep_name or "",
        started=milliseconds(first.get("startedAt")) or created,
        runtime=int(runtime) if isinstance(runtime, (int, float)) else None,
        state=native.state,
        heartbeat=milliseconds(getattr(native, "heartbeat_at", None)),
        config={key: value for key, value in raw.items() if key != "_wandb"},
        summary=summary,
        step_metrics=_step_metrics(own.get("m")),
        environment={key: last[key] for key in ("program", "host", "username") if isinstance(last.get(key), str)},
        args=[str(word) for word in last.get("args") or ()],
        commit=str(git.get("commit") or getattr(native, "commit", None) or ""),
        remote=str(git.get("remote") or ""),
        url=native.url,
    )
    user = getattr(getattr(native, "user", None), "username", None)
    if isinstance(user, str):
        facts.environment.setdefault("username", user)
    return facts


def milliseconds(text: Any) -> int | None:
    """The time in a text of W&B's server, which is UTC and may leave that out; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return round((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _environments(native: Any, own: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The environments of the run's first and last session; earlier releases have one, in a file."""
    known = own.get("e")
    found = [each for each in known.values() if isinstance(each, dict)] if isinstance(known, dict) else []
    if not found and CREATED not in native.rawconfig:
        metadata = native.metadata
        found = [metadata] if isinstance(metadata, dict) else [{}]
    found.sort(key=lambda each: str(each.get("startedAt", "")))
    return (found[0], found[-1]) if found else ({}, {})


def _step_metrics(listed: Any) -> dict[str, str]:
    """The metric that is the x axis of others, by their names or patterns.

    Args:
        listed: What W&B keeps of calls of ``define_metric``: field numbers of ``MetricRecord`` with values.
    """
    metrics = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    found = {}
    for each in metrics:
        axis, place = each.get("4"), each.get("5")
        if axis is None and isinstance(place, int) and 0 < place <= len(metrics):
            axis = metrics[place - 1].get("1")
        name = each.get("1") or each.get("2")
        if isinstance(name, str) and isinstance(axis, str):
            found[name] = axis
    return found
