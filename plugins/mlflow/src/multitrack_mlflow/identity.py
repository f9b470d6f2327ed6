"""The tags that identify a run's origin, and the URL of its page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from multitrack.hookspecs import RunInfo
from multitrack.security.secrets import without_credentials
from multitrack_mlflow.values import TAG_LENGTH

#: Tag by which a run is found again.
RUN_TAG: Final = "multitrack.run_id"
#: Maximum length of a run's name in MLflow.
NAME_LENGTH: Final = 250


def identity_tags(run: RunInfo) -> Iterator[tuple[str, str]]:
    """Yield the tags of a run's origin: MLflow's own, and multitrack's where MLflow has none."""
    yield RUN_TAG, run.id
    if len(run.name) > NAME_LENGTH:
        yield "multitrack.name", run.name
    for key, value in (
        ("multitrack.group", run.group),
        ("mlflow.note.content", run.notes),
        ("multitrack.parent", run.parent),
    ):
        if value:
            yield key, value
    context = run.context
    if context is None:
        return
    import shlex  # noqa: PLC0415 - for the courier; the training process imports this module, too

    for key, value in (  # an imported run may lack some
        ("mlflow.user", context.user),
        ("mlflow.source.name", context.program or context.executable),
        ("mlflow.source.type", "LOCAL"),
        ("multitrack.host", context.host),
        ("multitrack.command", shlex.join(context.command)[:TAG_LENGTH]),
    ):
        if value:
            yield key, value
    if context.git is not None:
        yield "mlflow.source.git.commit", context.git.commit
        if context.git.branch:
            yield "mlflow.source.git.branch", context.git.branch
        if context.git.remote:
            yield "mlflow.source.git.repoURL", context.git.remote
        if context.git.dirty is not None:
            yield "multitrack.git.dirty", str(context.git.dirty).lower()


def run_url(uri: str, experiment: str, native_id: str) -> str | None:
    """Return the URL of a run's page on its server; ``None`` for a store without a server."""
    if not uri.startswith(("http://", "https://")):
        return None
    return f"{without_credentials(uri).rstrip('/')}/#/experiments/{experiment}/runs/{native_id}"
