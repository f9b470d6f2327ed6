"""The private and undocumented names of the SDK that the plugin uses, and their lookup.

Every name is optional. The lookup of a name that a release lacks, or has moved, gives None, and its caller uses the
public fallback that is noted beside the name.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

#: The newest release that the plugin's tests ran with.
NEWEST: Final = "0.31.0"

#: Names in modules, each with the behaviour without it.
NAMES: Final[dict[str, str]] = {
    # Isolation of runs from the process's environment.
    "wandb.sdk.wandb_setup:singleton": "variables that name or change runs are hidden while a run starts",
    "wandb.sdk.wandb_setup:_WandbSetup.ensure_service": "as above",
    "wandb.sdk.wandb_setup:_WandbSetup.settings_if_loaded": "as above",
    "wandb.sdk.wandb_setup:_WandbSetup.asyncer": "as above",
    "wandb.sdk.lib.service.service_connection:connect_to_service": "as above",
    "wandb.sdk.lib.wbauth:session_credentials": "the key of the environment, the settings file or the netrc file",
    "wandb.sdk.lib.wbauth:set_auth_settings": "as above",
    "wandb.sdk.wandb_config:Config._load_defaults": "config-defaults.yaml of the current directory is in the config",
    "wandb.env:get_launch_queue_name": "W&B Launch may take part in runs",
    "wandb.env:get_launch_queue_entity": "as above",
    "wandb.env:get_launch_trace_id": "as above",
    "wandb.integration.weave:init_weave_if_imported": "Weave is connected with the run's project",
    # The helper process.
    "wandb.sdk.interface.interface_sock:InterfaceSock": "wandb.teardown() where no other run is open",
    "wandb.sdk.interface.interface:InterfaceBase.deliver_exit": "as above",
    "wandb.sdk.interface.interface_shared:InterfaceShared._publish": "each row waits for the helper process",
    "wandb.sdk.interface.interface_shared:InterfaceShared._deliver": "an error is reported after a timeout",
    "wandb.proto.wandb_internal_pb2:OperationStatsRequest": "as above",
    "wandb.sdk.interface.interface:InterfaceBase.publish_output_logger": "only checked for: lines go to Run.write_logs",
    # The server, and references.
    "wandb.apis.public.service_api:ServiceApi": "the same query as a plain HTTP request",
    "wandb.sdk.artifacts.artifact_manifest_entry:ArtifactManifestEntry": "Artifact.add_reference(checksum=False)",
}

#: Attributes of objects that the SDK creates, by the object they start from.
REACHED: Final[dict[str, tuple[str, ...]]] = {
    "run": ("_interface._publish", "_interface._deliver"),
    "singleton": ("_connection._asyncer", "_connection._client", "_connection._proc._process"),
}

#: Names that only older releases have, or need: ``Run.write_logs`` came with 0.27.
OLDER: Final = (
    "wandb.sdk.interface.interface:InterfaceBase.publish_output_raw",
    "wandb.sdk.lib.service.service_connection:ServiceConnection.make_interface",
)

#: The login of earlier releases, which try for days to reach a server; only checked for.
LONG_LOGIN: Final = "wandb.sdk.internal.internal_api:Api.validate_api_key"

#: The question of early releases before they log an image; only checked for.
ASKS_FOR_IMAGES: Final = "wandb.sdk.data_types.image:_server_accepts_artifact_path"


def find(name: str) -> Any:
    """Return the value of ``module:path``; None if the installed SDK lacks it."""
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        return None
    return _follow(found, path)


def reach(thing: Any, path: str) -> Any:
    """Return the value at a dotted attribute path of an SDK object; None if there is none."""
    return _follow(thing, path)


def missing() -> list[str]:
    """Return the names of :data:`NAMES` that the installed SDK lacks."""
    return [name for name in NAMES if find(name) is None]


def unreached(**things: Any) -> list[str]:
    """Return the names of :data:`REACHED` that these objects lack.

    Args:
        things: An open run, and the process-wide object.
    """
    return [f"{kind}.{path}" for kind, thing in things.items() for path in REACHED[kind] if reach(thing, path) is None]


def is_since(*release: int) -> bool:
    """Return True if the installed SDK is this release or a later one."""
    version = str(importlib.import_module("wandb").__version__)
    return tuple(int(part) for part in re.findall(r"\d+", version)[: len(release)]) >= release


def _follow(thing: Any, path: str) -> Any:
    for part in filter(None, path.split(".")):
        thing = getattr(thing, part, None)
    return thing
