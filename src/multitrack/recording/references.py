"""Record the references of a run: at once, and again once the digest of a large file or the version is known."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from typing import Any, Literal, cast

from msgspec import structs

from multitrack._text import check_name, clean_text, plain_text, shown
from multitrack.errors import RunClosedError
from multitrack.inputs.pending_digests import Computed, FindVersion, PendingDigests
from multitrack.inputs.prepare import to_step
from multitrack.inputs.references import describe
from multitrack.recording.model_versions import versioning_of
from multitrack.recording.run_journal import RunJournal
from multitrack.records import ArtifactRef

log = logging.getLogger("multitrack")


class References:
    """Records references, and completes those whose digest or version is found on a thread.

    Args:
        journal: The run's journal.
    """

    def __init__(self, journal: RunJournal) -> None:
        self.digests = PendingDigests()
        self._journal = journal
        self._incomplete: dict[str, ArtifactRef] = {}

    def log(
        self, name: str, uri: str | os.PathLike[str], kind: str, role: Literal["input", "output"], *,
        digest: bool | str = True, version: str | None = None, size: int | None = None, schema: Any = None,
        target: Any = None, objective: str | None = None, versioned: bool = True,
    ) -> None:  # fmt: skip
        """Check and record a reference; see :meth:`multitrack.Run.log_artifact_ref`.

        A model that is not ``versioned``, such as a checkpoint, gets no version at the run's end.
        """
        journal = self._journal
        name, kind = check_name(name, "artifact"), check_name(kind, "artifact kind")
        if role not in ("input", "output"):
            raise ValueError(f"role must be 'input' or 'output', got {role!r}")
        if not isinstance(digest, (bool, str)):
            raise TypeError(f"digest must be True, False or a string, got {shown(digest)}")
        if version is not None and not isinstance(version, str):
            raise TypeError(f"version must be a string, got {shown(version)}")
        model = None
        if kind == "model" and role == "output" and versioned:
            model, version = versioning_of(journal, name, version, objective)
        elif objective is not None:
            raise ValueError(f"objective is for a model that the run wrote, got kind={kind!r} and role={role!r}")
        found = describe(uri, digest=digest, size=None if size is None else to_step(size, "size"))
        # 3 ms for all finders, and runs without references do without.
        from multitrack.data_versions.finders import finders_of, version_of  # noqa: PLC0415
        from multitrack.data_versions.uris import given_version  # noqa: PLC0415

        find: FindVersion | None = None
        if version:
            version = given_version(found.uri, plain_text(version))
        elif finders := finders_of(found.path, role, journal.version_finders):
            find = partial(version_of, found.uri, found.path, finders)
        else:
            version = version_of(found.uri, found.path, {}, None)  # what the URI states
        redaction = journal.redactor.begin()
        described = None
        if model is not None or schema is not None or target is not None:
            from multitrack.inputs.schemas import recorded_schema  # noqa: PLC0415 - most references have none

            described = recorded_schema(schema, target, kind, found.path if model is not None else None, redaction)
        reference = ArtifactRef(
            time=0, name=redaction.text(name), uri=redaction.text(clean_text(found.uri)), kind=redaction.text(kind),
            role=cast(Literal["input", "output"], plain_text(role)), digest=found.digest,
            version=redaction.text(clean_text(version)) if version else None, size=found.size,
            schema=described, model=model, redacted=redaction.count,
            pending=found.unread is not None or find is not None,
        )  # fmt: skip
        with journal.lock:
            journal.append(lambda now: structs.replace(reference, time=now))
            journal.past.writes_models |= model is not None
            self._incomplete.pop(reference.name, None)  # the last reference of a name wins
            if reference.pending:
                self._incomplete[reference.name] = reference
        if found.odd is not None:
            log.warning(
                "multitrack: run %s: reference %s: %s is %s, recorded without digest", journal.id, name, uri, found.odd
            )
        if reference.pending:
            self.digests.put(
                str(found.path or reference.uri), partial(self._complete, reference), unread=found.unread,
                digest=found.digest if digest is True else None, find=find,
            )  # fmt: skip

    def _complete(self, reference: ArtifactRef, computed: Computed) -> None:
        """Record a reference again, with its digest and version, or without them if there is an error.

        Does nothing if a later reference of the same name has replaced it.
        """
        journal = self._journal
        redaction = journal.redactor.begin()
        version = reference.version if computed.version is None else redaction.text(clean_text(computed.version))
        with journal.lock, contextlib.suppress(RunClosedError):  # the run's end did not wait
            if self._incomplete.get(reference.name) is not reference:
                return
            del self._incomplete[reference.name]
            if computed.error is not None:
                journal.set_aside("log_artifact_ref", computed.error)
            journal.append(
                lambda now: structs.replace(
                    reference, time=now, digest=computed.digest or reference.digest, version=version,
                    size=computed.size or reference.size, pending=False, redacted=redaction.count,
                )
            )  # fmt: skip

    def after_fork(self) -> None:
        """In a forked child, drop what is pending: the parent completes its own references."""
        self.digests = PendingDigests()
