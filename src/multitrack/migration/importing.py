"""Import the runs of a source into a journal: exactly, repeatably, and so that a killed import can go on."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from multitrack._text import error_text
from multitrack.errors import JournalError, RunInUseError, SourceError
from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import Manifest, write_manifest
from multitrack.journal.run_directory import made
from multitrack.journal.segments import last_segment, opening
from multitrack.migration.copies import Copies
from multitrack.migration.embedded_files import EmbeddedFiles
from multitrack.migration.held import Held
from multitrack.migration.identity import RunIds
from multitrack.migration.imported_manifest import manifest_of, updated
from multitrack.migration.segments import Segments
from multitrack.records import IMPORT, ArtifactRef, End, Lines, ListMetric, Metric, Mistake, Params, Tags
from multitrack.security.redaction import Redaction, Redactor
from multitrack.sources.run import SourceRun
from multitrack.sources.source import EmbeddedFile, Gap, PlainRecord, Source, SourceRecord

log = logging.getLogger("multitrack")


class Imported(msgspec.Struct):
    """The outcome for one run.

    Attributes:
        id: Its id in the journal.
        source_id: Its id in the tracker.
        project: Its project.
        name: Its name.
        status: Its status in the tracker.
        outcome: ``new``, ``more`` (it had been imported, and has more records now), ``unchanged``, ``recorded here``
            (multitrack delivered it from this journal), or ``failed``.
        points: Number of numbers that were imported now: points of series, simple metrics and list metrics.
        lines: Number of lines that were imported now.
        records: Number of records that were written.
        gaps: What could not be imported exactly, with the number of times.
        error: The reason if it failed.
    """

    id: str
    source_id: str
    project: str
    name: str
    status: str
    outcome: str = "unchanged"
    points: int = 0
    lines: int = 0
    records: int = 0
    gaps: Counter[str] = msgspec.field(default_factory=Counter)
    error: str | None = None


def import_runs(
    source: Source,
    journal: Path,
    *,
    chosen: Callable[[SourceRun], bool] = lambda _: True,
    files: Path | None = None,
    project: str | None = None,
    careful: bool = True,
    dry_run: bool = False,
    progress: Callable[[Imported], None] = lambda _: None,
) -> Iterator[Imported | Gap]:
    """Import the runs of a source, and yield the outcome of each, or a gap for a run that cannot be read.

    Args:
        source: The source.
        journal: The journal's directory.
        chosen: Whether to import a run.
        files: Directory to copy local files to that runs refer to; default: they stay where they are, unless the run
            was imported with copies before.
        project: The runs' project, if their program told it and the source does not have it.
        careful: True to read a run that was imported before to its end first, and to write only if all that was
            imported is still the same. False reads half as much; what is new before a change is written then.
        dry_run: True to read everything and write nothing.
        progress: Called from time to time with the outcome of the current run so far.
    """
    ids, redactor = RunIds(journal, source.tracker), Redactor()
    try:
        for run in source.runs():
            if isinstance(run, Gap):
                yield run
            elif chosen(run):
                yield _Import(
                    source,
                    journal,
                    ids,
                    redactor,
                    run,
                    progress,
                    files=files,
                    project=project,
                    careful=careful,
                    dry_run=dry_run,
                ).outcome()
    except SourceError as error:
        yield Gap(f"{error}; the runs after it were not read: import again to go on")


class _Import:
    """The import of one run."""

    def __init__(
        self,
        source: Source,
        journal: Path,
        ids: RunIds,
        redactor: Redactor,
        run: SourceRun,
        progress: Callable[[Imported], None],
        *,
        files: Path | None,
        project: str | None,
        careful: bool,
        dry_run: bool,
    ) -> None:
        self._source, self._ids, self._redactor, self._run = source, ids, redactor, run
        self._progress, self._is_dry, self._is_careful = progress, dry_run, careful
        self._files, self._project = files, project
        self._done = Imported(ids.of(run), run.id, run.project, run.name, run.status)
        self._directory = runs_directory(journal) / self._done.id
        self._is_writing = False  # else a run is read to see what is new
        self._last_time = self._created = run.created  # of the records so far; of the run when it was first imported

    def outcome(self) -> Imported:
        """Import it, unless it fails, and say how it went."""
        done = self._done
        try:
            before = self._ids.recorded(done.id)
            if before is not None:
                self._created = before.created
                if before.imported is not None and before.imported.files is not None:
                    self._files = Path(before.imported.files)
            if self._ids.is_delivered_from_here(self._run):
                done.outcome = "recorded here"
            elif self._is_dry:
                held = Held(None if before is None else self._directory)
                done.records = sum(1 for _ in self._new_records(held))
                done.outcome = "new" if before is None else "more" if done.records else "unchanged"
            elif before is None or not self._is_careful or self._has_new(before):
                self._write(before)
        except (SourceError, JournalError, RunInUseError) as error:
            done.outcome, done.error = "failed", str(error)
        except Exception as error:  # a plugin may raise anything; the other runs are imported
            log.debug("multitrack: run %s of %s", self._run.id, self._source.address, exc_info=True)
            done.outcome, done.error = "failed", error_text(error)
        return done

    def _has_new(self, before: Manifest) -> bool:
        """Read the run without writing: one whose numbers changed in the source stays as it is.

        Raises:
            SourceError: If the source has other values than were imported.
        """
        done, origin = self._done, before.imported
        if origin is None or not origin.complete or updated(before, self._manifest(self._redactor.begin())) != before:
            return True
        self._done = msgspec.structs.replace(done, gaps=Counter())  # the counts of this reading are not the outcome
        try:
            held = Held(self._directory)
            return sum(1 for _ in self._new_records(held)) > 0 or self._has_new_end(held)
        finally:
            self._done, self._last_time = done, self._created

    def _write(self, before: Manifest | None) -> None:
        now = self._manifest(self._redactor.begin())
        manifest = now if before is None else updated(before, now)
        with made(self._directory), opening(self._directory):
            held = Held(self._directory if last_segment(self._directory) else None)
            if manifest != before:
                write_manifest(self._directory, manifest)
            self._is_writing = True
            with contextlib.closing(Segments(self._directory, manifest, held, self._run.created)) as segments:
                failure = self._append_new(segments, held)
                if failure is None and self._has_new_end(held):
                    time = max(self._last_time, held.last_time) if self._run.ended is None else self._run.ended
                    segments.append(End(time=time, status=self._run.status))
            if failure is None and manifest.imported is not None and not manifest.imported.complete:
                complete = msgspec.structs.replace(manifest.imported, complete=True)
                write_manifest(self._directory, msgspec.structs.replace(manifest, imported=complete))
        if failure is not None:
            raise failure
        is_more = bool(self._done.records) or updated(manifest, now) != before
        self._done.outcome = "new" if before is None else "more" if is_more else "unchanged"

    def _append_new(self, segments: Segments, held: Held) -> Exception | None:
        """Append what the journal lacks; return the error if that broke off, so that what was appended stays."""
        try:
            for record in self._new_records(held):
                segments.append(record)
        except Exception as error:
            if not self._done.records:
                raise
            return error
        return None

    def _new_records(self, held: Held) -> Iterator[Any]:
        """Yield what the journal lacks, redacted, and count it."""
        for number, record in enumerate(self._placed(self._source.records(self._run))):
            if number % 1000 == 0:
                self._progress(self._done)
            if not isinstance(record, Gap) and not record.time:
                record = msgspec.structs.replace(record, time=self._created)
            redacted = record if isinstance(record, (Metric, ListMetric)) else _redacted(record, self._redactor.begin())
            changed = held.changed_params(redacted) if isinstance(redacted, Params) else []
            for each in (*changed, redacted):
                part = held.new_part(each)
                if part is not None:
                    yield self._noted(part)
        held.check_all()

    def _placed(self, records: Iterator[SourceRecord]) -> Iterator[PlainRecord]:
        """Yield the records, with references to files that stood in others, and to copies if files are copied."""
        copies = None if self._files is None else Copies(self._files, self._done.id, dry_run=self._is_dry)
        embedded = EmbeddedFiles(self._directory)
        for record in records:
            if isinstance(record, EmbeddedFile):
                if self._is_writing:
                    embedded.write(record)
                yield embedded.reference(record)
            elif copies is not None and isinstance(record, ArtifactRef):
                placed = copies.copied(record)
                if isinstance(placed, Gap):
                    yield record
                yield placed
            else:
                yield record

    def _noted(self, record: PlainRecord) -> Any:
        """Count a new record; a gap becomes a record, too."""
        self._done.records += 1
        if isinstance(record, Gap):
            self._done.gaps[record.reason] += 1
            return Mistake(time=self._run.ended or self._run.created, call=IMPORT, reason=record.reason)
        self._last_time = max(self._last_time, record.time)
        if isinstance(record, (Metric, ListMetric)):
            self._done.points += len(record.values)
        elif isinstance(record, Lines):
            self._done.lines += len(record.lines)
        return record

    def _has_new_end(self, held: Held) -> bool:
        if self._run.status == "running":
            return False
        return held.end is None or bool(self._done.records) or held.end.status != self._run.status

    def _manifest(self, redaction: Redaction) -> Manifest:
        parent = self._ids.of_parent(self._run)
        return manifest_of(self._run, self._source, self._done.id, parent, self._project, self._files, redaction)


def _redacted(record: PlainRecord, redaction: Redaction) -> PlainRecord:
    """The record with secrets redacted, as those that are recorded here."""
    replace = msgspec.structs.replace
    if isinstance(record, (Params, Tags)):
        values: dict[str, Any] = {key: redaction.value(value, key) for key, value in record.values.items()}
        return replace(record, values=values, redacted=redaction.count)
    if isinstance(record, ArtifactRef):
        return replace(record, uri=redaction.text(record.uri), redacted=redaction.count)
    if isinstance(record, Lines):
        return replace(record, lines=redaction.lines(record.lines), redacted=redaction.count)
    if isinstance(record, Gap):
        return Gap(redaction.text(record.reason))
    return record
