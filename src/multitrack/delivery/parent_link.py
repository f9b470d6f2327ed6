"""Show the parent of a run in the tracker, once its id there is known."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from multitrack.delivery.lane_state import read_state
from multitrack.delivery.notices import Notices
from multitrack.errors import DeniedError, JournalError, PluginError, RetryableError
from multitrack.hookspecs import RunInfo
from multitrack.journal.manifest import read_manifest
from multitrack.plugins import Backend

#: Number of lookups, two per second, of a parent that another machine delivers; shorter than the wait at a run's end.
_LOOKS: Final = 40


class ParentLink:
    """The link of one lane's run to its parent; it never delays the lane's records.

    Args:
        directory: The run's directory.
        backend: The backend's name.
        notices: Formats errors.
    """

    def __init__(self, directory: Path, backend: str, notices: Notices) -> None:
        self._runs = directory.parent
        self._name = backend
        self._notices = notices
        self._looks = 0

    def try_to(self, backend: Backend, run: RunInfo) -> list[str] | None:
        """Set the link if the parent's id in the tracker is known.

        Returns:
            Sentences about a link that is missing for good, empty if the link is set. None to try again later.

        Raises:
            RetryableError, DeniedError, PluginError: As raised by the hook.
        """
        parent, missing = self._runs / str(run.parent), "the link to the parent run is missing"
        told: list[str] = []
        try:
            expected = any(entry.name == self._name for entry in read_manifest(parent).backends)
            parent_id = read_state(parent, self._name).id
        except JournalError:  # the parent is in another machine's journal
            parent_id = backend.find_run(run, str(run.parent))
            self._looks += 1
            expected = backend.finds and self._looks < _LOOKS
            if parent_id is None and backend.finds and not expected:
                told.append(f"{missing}: {run.parent} is not in {self._name}")
        if parent_id is None:
            return None if expected else told
        try:
            backend.link_parent(run, parent_id)
        except (RetryableError, DeniedError, PluginError):
            raise
        except Exception as error:  # noqa: BLE001 - a missing link must not delay the records
            told.append(f"{missing}: {self._notices.worded(error)}")
        return told
