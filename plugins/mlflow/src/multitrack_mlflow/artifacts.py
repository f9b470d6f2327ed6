"""The files and models of a run that MLflow has, as references to the place where they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from multitrack.records import ArtifactRef

#: The tag in which MLflow 2 has the models of a run, as a list of JSON objects.
HISTORY = "mlflow.log-model.history"


class StoredFile(msgspec.Struct, frozen=True):
    """A file or directory at the top of a run's artifacts.

    Attributes:
        path: Its path.
        is_directory: True for a directory.
        size: Bytes of a file, if known.
    """

    path: str
    is_directory: bool
    size: int | None = None


class StoredModel(msgspec.Struct, frozen=True):
    """A model that a run has logged.

    Attributes:
        name: Its name.
        uri: Where it is.
        id: MLflow's id of it.
    """

    name: str
    uri: str
    id: str | None = None


def local_directory(root: str) -> Path | None:
    """The directory that a URI or path of artifacts names; None if they are elsewhere."""
    parts = urlsplit(root)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") and parts.path.startswith("/") else None


def local_files(directory: Path | None) -> list[StoredFile]:
    """The files and directories in a local directory of artifacts, by name."""
    if directory is None or not directory.is_dir():
        return []
    entries = sorted(directory.iterdir())
    return [
        StoredFile(path.name, path.is_dir(), None if path.is_dir() else path.stat().st_size)
        for path in entries
        if path.exists()
    ]


def references(
    root: str,
    files: Sequence[StoredFile],
    models: Sequence[StoredModel],
    history: str | None,
    taken: set[str],
    time: int,
) -> Iterator[ArtifactRef]:
    """Yield a reference for each model, and for each file and directory that is none.

    Args:
        root: The URI or path of the run's artifacts.
        files: Those at the top of them.
        models: The models that MLflow 3 keeps beside them.
        history: The text of the tag :data:`HISTORY`.
        taken: Names that other references have; the new ones are added.
        time: The time of the references (ms).
    """
    inside = {model.uri: model for model in _models_in(root, history)}
    for model in (*models, *inside.values()):
        name = _free(model.name, taken)
        yield ArtifactRef(
            time=time, name=name, uri=_uri(model.uri), kind="model", version=model.id and f"mlflow:{model.id}"
        )
    for file in files:
        place = f"{root.rstrip('/')}/{file.path}"
        if not any(uri == place or uri.startswith(f"{place}/") for uri in inside):
            yield ArtifactRef(
                time=time, name=_free(file.path, taken), uri=_uri(place), size=file.size,
                kind="directory" if file.is_directory else "file",
            )  # fmt: skip


def _models_in(root: str, history: str | None) -> Iterator[StoredModel]:
    try:
        found = json.loads(history or "[]")
    except ValueError:
        return
    for each in found if isinstance(found, list) else ():
        path = each.get("artifact_path") if isinstance(each, dict) else None
        if isinstance(path, str) and path:
            identity = each.get("model_uuid")
            yield StoredModel(path, f"{root.rstrip('/')}/{path}", identity if isinstance(identity, str) else None)


def _free(name: str, taken: set[str]) -> str:
    """A name that no other reference has: a directory may be called like a data set."""
    while name in taken:
        name = f"artifacts/{name}"
    taken.add(name)
    return name


def _uri(place: str) -> str:
    return Path(place).as_uri() if place.startswith("/") else place
