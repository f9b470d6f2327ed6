"""A run that is open in W&B: its pending writes, its delivered data, and its end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from multitrack.errors import BackendError, DeniedError
from multitrack.hookspecs import RunInfo
from multitrack.records import ArtifactRef, Status
from multitrack.security.secrets import without_credentials
from multitrack_wandb import sdk, session_files, wandb_log
from multitrack_wandb.errors import CREDENTIAL, SessionLostError, is_denied, is_loss, plain
from multitrack_wandb.figures import Figures
from multitrack_wandb.internals import helper, isolation
from multitrack_wandb.models import Models
from multitrack_wandb.names import (
    STEP,
    artifact_name,
    artifact_type,
    can_have_axis,
    config_key,
    display_name,
    moment,
    rule_name,
    run_tag,
)
from multitrack_wandb.resume import Resumed, check_taken, sweep_sentences, where_to_go_on
from multitrack_wandb.settings import CREATED, facts
from multitrack_wandb.summary import Summary
from multitrack_wandb.translate import DataRecord, Write, artifact_facts, translate
from multitrack_wandb.upload_monitor import Uploads

if TYPE_CHECKING:
    import wandb

#: Exit codes, by which W&B shows a run as finished or failed; the SDK itself uses 255 after Ctrl-C.
EXIT_CODES: Final[dict[Status, int]] = {"finished": 0, "failed": 1, "killed": 255}
#: Maximum number of rows in flight to the helper process, which are in memory.
UNAWAITED: Final = 100


class OpenSession:
    """One run, delivered from the journal's start on.

    Translated records are kept until :meth:`write`, which writes them in journal order. So a row's number is the count
    of rows before it in the journal, however the records were batched. Rows and lines that W&B holds from an earlier
    session are skipped, but counted. Config and summary are written again.

    Args:
        run: The run.
        sessions: Its earlier sessions, without unfinished offline ones.

    Attributes:
        position: Ordinal below which every record was written.
        models: The versions of models that the run wrote.
    """

    def __init__(self, run: RunInfo, sessions: session_files.Sessions) -> None:
        self.position = 0
        self._info = run
        self._sessions = sessions
        self._held = sessions.held
        self._pending: dict[int, Write] = {}
        self._underway = 0  # ordinal below which every record was written, or is being written
        self._run: wandb.Run | None = None
        self._log: sdk.Rows
        self._uploads: Uploads | None = None
        self._core = 0
        self._row = 0  # number of the next row
        self._last = 0  # number of the last row of the batch being written
        self._line = 0  # number of the next line
        self._resumed = Resumed()
        self._rows = self._texts = 0  # written in this session
        self._said: list[str] = []
        self._is_without_lines = False
        self._series: set[str] = set()
        self._summary = Summary()
        self._tags: dict[str, str] = {}
        self._config = facts(run)
        self._figures = Figures(run, sessions.figures)
        self.models = Models(run.options)
        if not self._held:
            self._start()  # at once, so that the URL is known and a rejection shows

    @property
    def url(self) -> str | None:
        """The URL of the run's page, or None."""
        return self._sessions.url

    def say(self) -> list[str]:
        """Return the messages about deviations in W&B since the last call."""
        said, self._said = self._said, []
        return said

    def take(self, record: DataRecord) -> list[str]:
        """Translate a record and keep it for the next write; one that was already written is not kept.

        Returns:
            Messages about values that W&B cannot hold unchanged.
        """
        write = translate(record)
        if record.ordinal >= max(self.position, self._underway):
            if isinstance(record, ArtifactRef):
                write = self._figures.add(record, write, is_held=record.ordinal < self._held)
            self._pending[record.ordinal] = write
        return list(write.stand_ins)

    def write(self, position: int) -> None:
        """Write the kept records; every record below ``position`` was taken or set aside.

        Raises:
            RetryableError: The server currently accepts nothing; the next call continues.
            SessionLostError: W&B accepted only a part or nothing, and earlier data may be lost, too.
        """
        if position > self._held and self._run is None:
            self._start()
        if self._uploads is None:
            self._write_pending(position)
            return
        with self._giving_up():
            if not self._uploads.busy:
                if self._sessions.sessions[-1].mode == "online" and self._figures.note():
                    session_files.write_sessions(self._info.directory, self._sessions)
                self._underway = position
                self._uploads.begin(lambda: self._write_pending(position))
            self._uploads.wait()
        self._uploads.check()  # report a failure now, before more is queued in the helper process

    def _write_pending(self, position: int) -> None:
        self._last = self._row + sum(len(write.rows) for write in self._pending.values()) - 1
        for ordinal, write in sorted(self._pending.items()):
            self._write(write, is_held=ordinal < self._held)
        if self._summary.add(self._pending.values()) and self._run is not None:
            self._run.summary.update(self._summary.values)  # after the rows: W&B overwrites it with their last values
        self._pending.clear()
        self.position = position

    def close(self, status: Status, time: int) -> None:
        """End the run in W&B, and verify that W&B holds everything. A call after a RetryableError continues.

        Raises:
            RetryableError: The server currently accepts nothing.
            SessionLostError: Something is missing in W&B, and the run must be written again.
            DeniedError: The server rejects the key.
        """
        if self._run is None or self._uploads is None:
            return  # W&B already holds the whole run and its end
        with self._giving_up():
            if not self._uploads.busy:
                self._uploads.begin(lambda: self._finish(status, time))
            self._uploads.wait()
            self._check(self._run, EXIT_CODES[status])
        self._sessions.sessions[-1].end = self.position
        self._sessions.taken = session_files.Taken(self._row, self._line, self._row, self._line)
        self._figures.note()
        session_files.write_sessions(self._info.directory, self._sessions)
        self._figures.forget()

    def _finish(self, status: Status, time: int) -> None:
        assert self._run is not None  # noqa: S101 - called once it is open
        self._put_config(self._run, {"multitrack/status": status, "multitrack/ended": moment(time)})
        self._put_config(self._run, self.models.config())
        self._said += self.models.link(self._run)
        sdk.finish(self._run, EXIT_CODES[status])

    def _check(self, run: wandb.Run, exit_code: int) -> None:
        """Verify the delivered data: the SDK does not report a full disk, or uploads that it gave up."""
        session = self._sessions.sessions[-1]
        if session.mode == "online":
            with isolation.apart_for(run):
                self._said += check_taken(run, Path(session.directory), self._resumed, self._row, self._line)
            return
        there = wandb_log.tally_finished(Path(session.directory))
        wanted = wandb_log.Tally(self._rows, self._texts, exit_code)
        if there is None:
            self._said.append(f"W&B's files have an unknown format: the {self._rows} rows in them were not counted")
        elif there != wanted:
            raise SessionLostError(f"{session.directory} holds {there} instead of {wanted}")

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Give up the session on any SDK error while writing, since it is unknown how much W&B has accepted."""
        try:
            yield
        except BackendError:
            raise
        except Exception as error:
            if is_loss(error):
                sdk.lost(self._core)
            elif self._run is not None:
                sdk.drop(self._run)
            text = f"W&B did not take the run: {type(error).__name__}: {plain(error)}"
            if is_denied(error):
                raise DeniedError(f"{text}; {CREDENTIAL}") from error
            raise SessionLostError(text) from error

    def _start(self) -> None:
        run = self._info
        there = session_files.directories(run.options.dir, run.id)
        session = session_files.Session("", run.options.mode, os.getpid(), before=sorted(map(str, there)))
        # Noted before the SDK creates its directory, and again before the first row, so that files left by a kill are
        # found.
        noted = self._sessions
        session_files.write_sessions(
            run.directory, session_files.Sessions([*noted.sessions, session], noted.taken, noted.figures)
        )
        group = display_name(run.group or run.parent or "") or None
        # Without the start time, so that another run with this id in W&B shows its own.
        config = {key: value for key, value in self._config.items() if key != CREATED}
        started, self._core, no_sweep = sdk.start(
            run, config=config, tags=self._shown_tags(), group=group, acknowledged=noted.acknowledged()
        )
        self._run, self._log = started, sdk.Rows(started)
        self._uploads = Uploads(started)
        session.directory, session.before = str(Path(started.dir).parent), []
        with self._giving_up(), isolation.apart_for(started):
            noted.settle()  # nobody writes the earlier sessions any more
            taken = noted.taken
            if session.mode == "online":
                session.url = without_credentials(started.url or "") or None
                is_ours = dict(started.config).get(CREATED, self._config[CREATED]) == self._config[CREATED]
                self._resumed = where_to_go_on(started, taken, is_ours=is_ours)
                self._said += [*self._resumed.said, *sweep_sentences(started, run.options.sweep, no_sweep)]
            else:
                self._resumed = Resumed(taken.rows, taken.lines)
            session.rows, session.lines = self._resumed.rows, self._resumed.lines
            noted.sessions.append(session)
            session_files.write_sessions(run.directory, noted)
            self._put_config(started, {CREATED: self._config[CREATED]})
            started.define_metric(STEP, hidden=True, summary="none")
            self._define(self._series)
            started.summary.update(self._summary.values)

    def _write(self, write: Write, *, is_held: bool) -> None:
        self._config.update(write.config)
        shown = self._shown_tags() if write.tags else ()
        self._tags.update(write.tags)
        fresh_series = [key for key in write.series if key not in self._series]
        self._series.update(fresh_series)
        if self._run is None:
            self._row += len(write.rows)
            self._line += len(write.lines)
            return
        self._define(fresh_series)
        if write.config:
            self._put_config(self._run, write.config)
        if write.tags:
            kept = [tag for tag in self._run.tags or () if tag not in shown]  # set by the user in the browser
            self._run.tags = (*kept, *self._shown_tags())
        for number, row in enumerate(write.rows, start=self._row):
            step = number + self._resumed.shift  # the SDK silently drops steps below its first one
            if not is_held and number >= self._resumed.rows:
                cells = row if write.picture is None else row | write.picture.cells()
                self._log.log(cells, step, wait=number % UNAWAITED == 0 or number == self._last)
                self._rows += 1
                self._said += () if write.picture is None else write.picture.problems
            elif not is_held and write.picture is not None:
                write.picture.send_file(self._run, step)
        self._row += len(write.rows)
        lines = write.lines[max(0, self._resumed.lines - self._line) :]
        self._line += len(write.lines)
        if lines and not is_held:
            self._write_lines(self._run, lines)
        if not is_held and write.artifact is not None:
            self._log_artifact(self._run, write.artifact)

    def _write_lines(self, run: wandb.Run, lines: Sequence[str]) -> None:
        if helper.write_logs(run, "".join(f"{line}\n" for line in lines)):
            self._texts += 1
        elif not self._is_without_lines:
            self._is_without_lines = True
            self._said.append("lines are not in W&B: this release of its SDK cannot write to a run's logs")

    def _define(self, series: Iterable[str]) -> None:
        """Give each series the step column as its axis."""
        assert self._run is not None  # noqa: S101 - called once it is open
        for key in filter(can_have_axis, series):
            self._run.define_metric(rule_name(key), step_metric=STEP)

    def _put_config(self, run: wandb.Run, values: Mapping[str, Any]) -> None:
        config: Any = run.config  # its update is untyped
        config.update(dict(values), allow_val_change=True)

    def _log_artifact(self, run: wandb.Run, record: ArtifactRef) -> None:
        try:
            with helper.at_server_of(run):
                run.log_artifact(sdk.reference(artifact_name(record.name), artifact_type(record.kind), record))
        except ValueError as error:
            # Rejected for good, such as a name that exists with another type; the config still has the reference.
            refused = {**artifact_facts(record), "refused": plain(error)}
            self._put_config(run, {config_key(f"multitrack/artifacts/{record.name}"): refused})

    def _shown_tags(self) -> tuple[str, ...]:
        tags = {"sweep": self._info.options.sweep} if self._info.options.sweep else {}
        shown = [run_tag(key, value) for key, value in (*tags.items(), *self._tags.items())]
        return tuple(tag for tag in shown if tag is not None)
