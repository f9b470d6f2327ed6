"""Show the versions of models in the config of their run, and link them to a W&B registry.

A link points from a collection of the registry to an artifact that holds only a reference. Nothing is copied. W&B
identifies artifacts by their content, so linking one again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from multitrack.records import ArtifactRef, ModelVersion
from multitrack_wandb import sdk
from multitrack_wandb.errors import plain
from multitrack_wandb.internals import helper
from multitrack_wandb.names import artifact_name, config_key
from multitrack_wandb.options import WandbOptions

if TYPE_CHECKING:
    import wandb


class Models:
    """The versions of models that one run wrote.

    Args:
        options: The backend's options.
    """

    def __init__(self, options: WandbOptions) -> None:
        self._options = options
        self._versions: Sequence[ModelVersion] = ()

    def take(self, versions: Sequence[ModelVersion]) -> list[str]:
        """Keep the versions for the end of the session; return a message if they will not be linked."""
        self._versions = versions
        registry = self._options.registry
        if registry and self._options.mode == "offline":
            return [f"models are not linked to the registry {registry}: W&B links only online"]
        return []

    def config(self) -> dict[str, Any]:
        """Return the config's entries: version, URI, digest and reasons of each model."""
        return {
            config_key(f"multitrack/models/{one.name}"): {
                "version": one.version, "uri": one.uri, "digest": one.digest, "reasons": one.reasons,
            }
            for one in self._versions
        }  # fmt: skip

    def link(self, run: wandb.Run) -> list[str]:
        """Link each version to the collection of its model, with the version as an alias; wait for the server.

        Returns:
            A message for each version that W&B refuses: there is no such registry, or the account may not write to it.
        """
        registry, refused = self._options.registry, []
        if not registry or self._options.mode == "offline":
            return []
        for one in self._versions:
            record = ArtifactRef(time=0, name=one.name, uri=one.uri, kind="model", digest=one.digest, size=one.size)
            name = artifact_name(one.name)
            try:
                with helper.at_server_of(run):
                    artifact = sdk.reference(name, "model", record)
                    run.link_artifact(artifact, f"wandb-registry-{registry}/{name}", aliases=[one.version])
            except Exception as error:  # noqa: BLE001 - a registry that refuses does not keep the run open
                refused.append(
                    f"model {one.name} {one.version} is not linked to the registry {registry}: {plain(error)}"
                )
        return refused
