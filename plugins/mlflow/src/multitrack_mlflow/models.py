"""Show the versions of models on their run, and register them in MLflow's model registry by reference.

``create_model_version`` is not idempotent: the same call again makes another version. So a version is looked up by its
tags first. Nothing is copied: the source of a registered version is the recorded URI. MLflow's server takes no local
path as a source, unless it is an artifact of the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from multitrack.errors import PermanentError
from multitrack.hookspecs import RunInfo
from multitrack.records import ModelVersion
from multitrack_mlflow.run import MlflowRun

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Prefix of the run's tag with the version of a model.
MODEL: Final = "multitrack.model."
#: Tags of a registered version.
VERSION: Final = "multitrack.version"
RUN: Final = "multitrack.run_id"
DIGEST: Final = "multitrack.digest"
#: Characters that MLflow refuses in the name of a registered model, or that its filters quote.
_REFUSED: Final = re.compile(r"[/:'\"`\\%]")
#: Maximum characters of a registered version's description; MLflow's column is longer.
_DESCRIPTION: Final = 5000


def show_versions(native: MlflowRun, models: Sequence[ModelVersion]) -> list[str]:
    """Set a tag of the run for each model, with its version and the reasons."""
    tags = {}
    for model in models:
        facts = {"version": model.version, "uri": model.uri, "digest": model.digest, "reasons": model.reasons}
        tags[f"{MODEL}{native.name(model.name)}"] = json.dumps(facts, ensure_ascii=False)
    return native.set_tags(tags)


def register(client: MlflowClient, run: RunInfo, models: Sequence[ModelVersion]) -> list[str]:
    """Register the versions that are not registered yet, and return sentences about changed names."""
    sentences = []
    for model in models:
        name = registered_name(model.name)
        if name != model.name:
            sentences.append(f"model {model.name}: called {name} in the registry")
        if find(client, name, model) is None:
            _create_model(client, name, model)
            tags = {VERSION: model.version, RUN: run.id, DIGEST: model.digest or ""}
            client.create_model_version(
                name, model.uri, run_id=run.backend_id, tags=tags, description="; ".join(model.reasons)[:_DESCRIPTION]
            )
    return sentences


def set_alias(client: MlflowClient, model: ModelVersion, alias: str, *, present: bool) -> None:
    """Point an alias at a registered version, or remove it from the model.

    Raises:
        PermanentError: If the version is not registered.
    """
    name = registered_name(model.name)
    if not present:
        client.delete_registered_model_alias(name, alias)
        return
    found = find(client, name, model)
    if found is None:
        raise PermanentError(
            f"{name} {model.version} is not registered in MLflow; is its run delivered (`multitrack sync`), with "
            "register_models = true in [mlflow]?"
        )
    client.set_registered_model_alias(name, alias, str(found))


def registered_name(name: str) -> str:
    """Return the name of the registered model: the model's, with ``_`` for characters that MLflow refuses."""
    return _REFUSED.sub("_", name)


def find(client: MlflowClient, name: str, model: ModelVersion) -> str | None:
    """Return MLflow's number of a version, or None if it is not registered."""
    for found in _versions(client, name):
        if found.tags.get(VERSION) == model.version and found.tags.get(DIGEST, "") == (model.digest or ""):
            return str(found.version)
    return None


def _versions(client: MlflowClient, name: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _create_model(client: MlflowClient, name: str, model: ModelVersion) -> None:
    try:
        client.create_registered_model(name, tags={"multitrack.model": model.name})
    except Exception as error:
        if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
            raise
