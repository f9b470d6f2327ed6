"""The facts of a W&B run as a run and records of multitrack: the reverse of what the backend writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from multitrack.hookspecs import SourceRecord, SourceRun
from multitrack.inputs.params import flatten_params
from multitrack.records import ArtifactRef, Params, Tags
from multitrack_wandb.facts import Artifact, Facts
from multitrack_wandb.names import original_key
from multitrack_wandb.settings import CREATED

#: Config keys of the SDK and of multitrack.
_OWN: Final = re.compile(r"_wandb$|multitrack/")
#: Files that the SDK saves with every run, and media, to which the history refers.
_USUAL: Final = re.compile(
    r"media/|(wandb-metadata\.json|requirements\.txt|config\.yaml|output\.log|wandb-summary\.json|.*\.wandb)$"
)


def is_usual(name: str) -> bool:
    """Return True for a file that is no one's own: the SDK saves it with every run."""
    return _USUAL.match(name) is not None


def run_of(facts: Facts) -> SourceRun:
    """Return the run, with the names and times that multitrack gave it, if it did."""
    config = facts.config
    created = _moment(config.get(CREATED)) or facts.started
    ended = _moment(config.get("multitrack/ended"))
    is_over = facts.status != "running"
    if ended is None and is_over:
        last = facts.summary.get("_timestamp")  # of the last row; the runtime is in whole seconds
        known = [] if facts.runtime is None else [facts.started + facts.runtime * 1000]
        known += [round(last * 1000)] if isinstance(last, (int, float)) else []
        ended = max(known, default=facts.heartbeat)
    status: Any = config.get("multitrack/status") or facts.status
    program = facts.environment.get("program")
    return SourceRun(
        id=facts.id,
        scope=facts.scope,
        project=str(config.get("multitrack/project") or facts.project or "uncategorized"),
        name=str(config.get("multitrack/name") or facts.name or facts.id),
        created=created,
        ended=ended,
        status=status if is_over else "running",
        group=config.get("multitrack/group") or facts.group or None,
        notes=facts.notes or None,
        user=facts.environment.get("username"),
        host=facts.environment.get("host"),
        program=program,
        command=[program, *facts.args] if program else [],
        commit=facts.commit or None,
        remote=facts.remote or None,
        url=facts.url or None,
        run_id=config.get("multitrack/run"),
        parent_run_id=config.get("multitrack/parent"),
    )


def is_ours(facts: Facts) -> bool:
    """Return True if multitrack wrote the run."""
    return "multitrack/run" in facts.config


def first_records(facts: Facts, time: int) -> Iterator[SourceRecord]:
    """Yield params, tags, and the references that multitrack wrote, with the time of the run's start (ms)."""
    yield from _params(facts, time)
    tags = _tags(facts)
    if tags:
        yield Tags(time=time, values=tags)
    prefix = "multitrack/artifacts/"
    for key, value in facts.config.items():
        if key.startswith(prefix) and isinstance(value, dict) and isinstance(value.get("uri"), str):
            yield ArtifactRef(
                time=time, name=str(value.get("name", original_key(key.removeprefix(prefix)))), uri=value["uri"],
                kind=str(value.get("kind", "file")), role="input" if value.get("role") == "input" else "output",
                digest=value.get("digest"), version=value.get("version"), size=value.get("size"),
            )  # fmt: skip


def has_references(facts: Facts) -> bool:
    """Return True if multitrack's references are in the config: the run's artifacts are the same once more."""
    return any(key.startswith("multitrack/artifacts/") for key in facts.config)


def artifact_references(artifact: Artifact, scope: str, time: int) -> Iterator[ArtifactRef]:
    """Yield a reference to each file of an artifact, or to the artifact if its files are unknown.

    Args:
        artifact: The artifact.
        scope: The entity and project that have it.
        time: Time of the records (ms).
    """
    place = "/".join(quote(part, safe="") for part in scope.split("/"))
    base = f"wandb://{place}/{quote(artifact.name + artifact.version, safe=':')}"
    for entry in artifact.entries:
        name = artifact.name if len(artifact.entries) == 1 else f"{artifact.name}/{entry.path}"
        local = Path(entry.local).as_uri() if entry.local else f"{base}/{quote(entry.path)}"
        yield ArtifactRef(
            time=time, name=name, uri=entry.reference or local, kind=artifact.kind, role=artifact.role,
            size=entry.size or None, version=f"wandb:{entry.digest}" if entry.digest else None,
        )  # fmt: skip
    if not artifact.entries:
        yield ArtifactRef(time=time, name=artifact.name, uri=base, kind=artifact.kind, role=artifact.role)


def _params(facts: Facts, time: int) -> Iterator[SourceRecord]:
    ours = is_ours(facts)
    given = {
        key: value for key, value in facts.config.items() if not _OWN.match(key) and not (ours and key.startswith("-"))
    }
    flat = flatten_params(given, "config")
    values, types = flat.values, flat.types
    if ours:
        values = {_param(key): value for key, value in values.items()}
        types = {_param(key): kind for key, kind in types.items()}
    if values:
        yield Params(time=time, values=values, types=types, source="wandb")


def _param(key: str) -> str:
    return original_key(key.removeprefix("param ") if re.match(r"(?:param )+(?:multitrack|_wandb|-)", key) else key)


def _tags(facts: Facts) -> dict[str, str]:
    prefix = "multitrack/tags/"
    if is_ours(facts):
        return {
            original_key(key.removeprefix(prefix)): str(text)
            for key, text in facts.config.items() if key.startswith(prefix)
        }  # fmt: skip
    tags = dict.fromkeys(facts.tags, "true")  # labels without values
    if facts.job_type:
        tags["job_type"] = facts.job_type
    if facts.sweep:
        tags["sweep"] = facts.sweep
    # Journals number points by W&B's step alone. The other axis is a series of its own; a tag says whose axis it is.
    tags |= {f"step_metric/{name}": axis for name, axis in facts.step_metrics.items()}
    return tags


def _moment(text: Any) -> int | None:
    """The time in a text that :func:`multitrack_wandb.names.moment` wrote; None if it is none."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (TypeError, ValueError):
        return None
