"""Find, load and call plugins; no other package does."""

from multitrack.plugins.facade import Backend, Extension, NoOptions
from multitrack.plugins.registry import (
    KNOWN,
    available,
    extensions,
    installed,
    load_backend,
    plugin_name,
    register,
    unregister,
)
from multitrack.plugins.sdk import import_sdk, require_sdk

__all__ = [
    "KNOWN",
    "Backend",
    "Extension",
    "NoOptions",
    "available",
    "extensions",
    "import_sdk",
    "installed",
    "load_backend",
    "plugin_name",
    "register",
    "require_sdk",
    "unregister",
]
