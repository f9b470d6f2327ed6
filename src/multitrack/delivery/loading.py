"""Load the backend of a lane with its options, and describe the run to it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack import plugins
from multitrack.delivery.lane_state import lane_file
from multitrack.delivery.trust import Trust
from multitrack.errors import JournalError
from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import BackendEntry, Context, Manifest, read_manifest
from multitrack.journal.prepared import prepared
from multitrack.journal.segments import is_live, last_segment

#: Maximum seconds that an opening lane waits until the manifest's context is complete.
_CONTEXT_WAIT: Final = 5.0


@dataclasses.dataclass
class BackendSource:
    """The source of a lane's backend and its options.

    Attributes:
        entry: The backend's entry in the manifest.
        plugin: The backend object, in the training process's own thread host.
        given: The options with their secrets, if the training process passed them on.
        trust: Trusted contents of the manifest, if it did not.
    """

    entry: BackendEntry
    plugin: object | None
    given: dict[str, Any] | None
    trust: Trust

    def load(self) -> tuple[plugins.Backend, msgspec.Struct, list[str]]:
        """Load the backend and its options, with a sentence for each option that is ignored.

        Raises:
            MultitrackError: If the backend cannot be loaded, or only the untrusted journal names it.
            ValidationError: If the options do not fit the backend's type.
        """
        if self.given is None:
            self.trust.check(self.entry.load)
        backend = plugins.load_backend(self.entry.load if self.plugin is None else self.plugin)
        if self.given is None:
            return backend, *self.trust.options(backend, self.entry.given)
        return backend, msgspec.convert(self.given, prepared(backend.options_type())), []


def is_gathering(directory: Path, context: Context | None, waited: float) -> bool:
    """Return True if the manifest's context is still being completed, and the lane should wait.

    Args:
        directory: The run's directory.
        context: The run's context so far.
        waited: Seconds that the lane has waited so far.
    """
    return context is not None and not context.complete and waited < _CONTEXT_WAIT and is_live(directory)


def run_info(
    directory: Path, backend: str, manifest: Manifest, context: Context | None, options: msgspec.Struct
) -> RunInfo:
    """Describe the run in ``directory`` for its backend, and make the backend's directory for notes."""
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
