"""Record the references of a run: at once, and again once the digest of a large file is known."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from typing import Literal, cast

from msgspec import structs

from multitrack._text import check_name, clean_text, plain_text, shown
from multitrack.errors import RunClosedError
from multitrack.inputs.pending_digests import PendingDigests
from multitrack.inputs.prepare import to_step
from multitrack.inputs.references import describe
from multitrack.recording.run_journal import RunJournal
from multitrack.records import ArtifactRef

log = logging.getLogger("multitrack")


class References:
    """Records references, and completes those whose digest is computed on a thread.

    Args:
        journal: The run's journal.
    """

    def __init__(self, journal: RunJournal) -> None:
        self.digests = PendingDigests()
        self._journal = journal
        self._undigested: dict[str, ArtifactRef] = {}

    def log(
        self, name: str, uri: str | os.PathLike[str], kind: str, role: Literal["input", "output"], *,
        digest: bool | str, size: int | None,
    ) -> None:  # fmt: skip
        """Check and record a reference; see :meth:`multitrack.Run.log_artifact_ref`."""
        journal = self._journal
        name, kind = check_name(name, "artifact"), check_name(kind, "artifact kind")
        if role not in ("input", "output"):
            raise ValueError(f"role must be 'input' or 'output', got {role!r}")
        if not isinstance(digest, (bool, str)):
            raise TypeError(f"digest must be True, False or a string, got {shown(digest)}")
        found = describe(uri, digest=digest, size=None if size is None else to_step(size, "size"))
        redaction = journal.redactor.begin()
        reference = ArtifactRef(
            time=0, name=redaction.text(name), uri=redaction.text(clean_text(found.uri)), kind=redaction.text(kind),
            role=cast(Literal["input", "output"], plain_text(role)), digest=found.digest, size=found.size,
            redacted=redaction.count, pending=found.unread is not None,
        )  # fmt: skip
        with journal.lock:
            journal.append(lambda now: structs.replace(reference, time=now))
            self._undigested.pop(reference.name, None)  # the last reference of a name wins
            if found.unread is not None:
                self._undigested[reference.name] = reference
        if found.odd is not None:
            log.warning(
                "multitrack: run %s: reference %s: %s is %s, recorded without digest", journal.id, name, uri, found.odd
            )
        if found.unread is not None:
            self.digests.put(found.unread, partial(self._complete, reference))

    def _complete(self, reference: ArtifactRef, digest: str | None, size: int | None, error: Exception | None) -> None:
        """Record a reference again, with its digest, or without one if computing it failed.

        Does nothing if a later reference of the same name has replaced it.
        """
        journal = self._journal
        with journal.lock, contextlib.suppress(RunClosedError):  # the run's end did not wait
            if self._undigested.get(reference.name) is not reference:
                return
            del self._undigested[reference.name]
            if error is not None:
                journal.set_aside("log_artifact_ref", error)
            journal.append(
                lambda now: structs.replace(
                    reference, time=now, digest=digest, size=size or reference.size, pending=False, redacted=0
                )
            )

    def after_fork(self) -> None:
        """In a forked child, drop the pending digests: the parent computes its own."""
        self.digests = PendingDigests()
