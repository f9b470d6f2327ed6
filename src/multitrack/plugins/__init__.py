"""Find, load and call plugins; no other package does."""

from multitrack.plugins.facade import Backend, Extension, NoOptions, Notifier
from multitrack.plugins.registry import (
    KNOWN,
    NOTIFIERS,
    available,
    extensions,
    installed,
    load_backend,
    load_notifier,
    plugin_name,
    register,
    unregister,
)
from multitrack.plugins.sdk import import_sdk, require_sdk

__all__ = [
    "KNOWN",
    "NOTIFIERS",
    "Backend",
    "Extension",
    "NoOptions",
    "Notifier",
    "available",
    "extensions",
    "import_sdk",
    "installed",
    "load_backend",
    "load_notifier",
    "plugin_name",
    "register",
    "require_sdk",
    "unregister",
]
