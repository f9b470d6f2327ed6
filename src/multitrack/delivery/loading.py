"""What a lane needs to open its run in a tracker: the backend, its options, and what the backend is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from multitrack import plugins
from multitrack.delivery.lane_state import lane_file
from multitrack.delivery.trust import Trust
from multitrack.errors import JournalError
from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import BackendEntry, Context, Manifest, read_manifest
from multitrack.journal.segments import last_segment


def load(
    entry: BackendEntry, plugin: object | None, given: dict[str, Any] | None, trust: Trust
) -> tuple[plugins.Backend, msgspec.Struct, list[str]]:
    """The backend of a lane and its options.

    Args:
        entry: The backend, as the manifest has it.
        plugin: The backend object, in the training process's own thread host.
        given: The options with their secrets, where the training process passed them on.
        trust: What the journal is believed where it did not.

    Returns:
        The backend, its options, and a sentence for each option that was not believed.

    Raises:
        MultitrackError: It cannot be loaded, or not on the journal's word alone.
        ValidationError: The options are not the backend's.
    """
    if given is None:
        trust.check(entry.load)
    backend = plugins.load_backend(entry.load if plugin is None else plugin)
    if given is None:
        return backend, *trust.options(backend, entry.given)
    return backend, msgspec.convert(given, backend.options_type()), []


def told(
    directory: Path, backend: str, manifest: Manifest, context: Context | None, options: msgspec.Struct
) -> RunInfo:
    """What a backend is told of the run in ``directory``; its own directory for notes is made."""
    notes = lane_file(directory, backend, "")
    notes.mkdir(mode=0o700, exist_ok=True)
    return RunInfo(
        id=manifest.id, project=manifest.project, name=manifest.name, created=manifest.created, options=options,
        context=context, directory=notes, segment=last_segment(directory), group=manifest.group,
        parent=manifest.parent, notes=manifest.notes, parent_name=_parent_name(directory, manifest),
    )  # fmt: skip


def _parent_name(directory: Path, manifest: Manifest) -> str | None:
    if manifest.parent is None:
        return None
    try:
        return read_manifest(directory.parent / manifest.parent).name
    except JournalError:
        return None
