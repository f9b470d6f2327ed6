"""The names of TensorBoard's package that are used, and what is done without them.

TensorBoard documents no way to write an event file with times of one's own. All writers that do without TensorFlow,
PyTorch's among them, use the protocol buffers of ``tensorboard.compat.proto``, which describe the file format itself.

The public functions for the HParams tab, ``tensorboard.plugins.hparams.api``, import TensorFlow. So their message is
filled here, as PyTorch's writer does. If a release lacks it, the tab stays empty, and the Text tab has the params.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any, Final, NamedTuple

from multitrack.errors import BackendNotInstalledError
from multitrack.plugins import import_sdk

#: Module and name without which nothing can be written.
NEEDED: Final = (
    ("tensorboard.compat.proto.event_pb2", "Event"),
    ("tensorboard.compat.proto.summary_pb2", "SummaryMetadata"),
)
#: Module and name for the HParams tab.
OPTIONAL: Final = (("tensorboard.plugins.hparams.plugin_data_pb2", "HParamsPluginData"),)
_importing: Final = threading.Lock()


class Sdk(NamedTuple):
    """The classes of TensorBoard's package that are used.

    Attributes:
        Event: A record of an event file.
        SummaryMetadata: The plugin that shows a tag.
        HParamsPluginData: The start or end of a session in the HParams tab; ``None`` if the release lacks it.
    """

    Event: Any
    SummaryMetadata: Any
    HParamsPluginData: Any


def load_sdk() -> Sdk:
    """Import TensorBoard's package.

    Raises:
        BackendNotInstalledError: It is missing, or the release lacks a needed name.
    """
    with _importing:  # runs are opened on several threads at once
        import_sdk("tensorboard")
        needed = {name: _find(module, name) for module, name in NEEDED}
        lacking = [f"{module}.{name}" for module, name in NEEDED if needed[name] is None]
        if lacking:
            raise BackendNotInstalledError(
                f"this release of tensorboard lacks {', '.join(lacking)}: install tensorboard>=2.16,<=2.21"
            )
        return Sdk(**needed, **{name: _find(module, name) for module, name in OPTIONAL})


def missing() -> list[str]:
    """Return the names that the installed release lacks."""
    return [f"{module}.{name}" for module, name in (*NEEDED, *OPTIONAL) if _find(module, name) is None]


def _find(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:
        return None
