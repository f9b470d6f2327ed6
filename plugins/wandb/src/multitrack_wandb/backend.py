"""The hooks: translate records as they arrive, and write them when their batch is complete."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multitrack.errors import RetryableError
from multitrack.hookspecs import Opened, RunInfo, Source
from multitrack.markers import hookimpl
from multitrack.plugins import require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, ModelVersion, Params, Status, Tags
from multitrack_wandb.options import ENVIRONMENT, WandbOptions

# The rest is imported when a run is delivered: a training process needs only the options, and has 10 ms for it.
if TYPE_CHECKING:
    from multitrack_wandb.session import OpenSession
    from multitrack_wandb.translate import DataRecord


class WandbBackend:
    """Delivers runs to W&B.

    Nothing delivered to W&B is durable before the run is finished there. So a lane always starts at the journal's
    start, and skips the records that W&B already holds. The open runs of this process are kept by their lane's
    directory, which is unique, while a run id need not be.
    """

    name = "wandb"

    def __init__(self) -> None:
        self._open: dict[Path, OpenSession] = {}

    @hookimpl
    def backend_options(self) -> type[WandbOptions]:
        """See :class:`~multitrack_wandb.options.WandbOptions`."""
        require_sdk("wandb", "wandb")
        return WandbOptions

    @hookimpl
    def environment_variables(self) -> Sequence[str]:
        """See :data:`~multitrack_wandb.options.ENVIRONMENT`."""
        return ENVIRONMENT

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Start the run in W&B, resume it, or continue the one that this process has open."""
        from multitrack_wandb import session_files  # noqa: PLC0415 - see above
        from multitrack_wandb.names import moment  # noqa: PLC0415 - see above
        from multitrack_wandb.session import OpenSession  # noqa: PLC0415 - see above

        opened = self._open.get(run.directory)
        if opened is None:
            opened = OpenSession(
                run, session_files.clear_unfinished(run.directory, run.options.dir, run.id, moment(run.created))
            )
            self._open[run.directory] = opened
        return Opened(run.id, opened.url, opened.position)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> list[str]:
        """Write params to the config."""
        return self._take(run, records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> list[str]:
        """Write points as one history row per record, and simple metrics to the summary."""
        return self._take(run, records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> list[str]:
        """Write each value as a history row."""
        return self._take(run, records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> list[str]:
        """Write references as artifacts without files, and figures also as images if ``upload`` says so."""
        return self._take(run, records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> list[str]:
        """Write lines to the run's logs."""
        return self._take(run, records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> list[str]:
        """Write tags as ``key:value`` tags and to the config."""
        return self._take(run, records)

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> int:
        """Write the batch, and return position 0, since W&B cannot make it durable yet."""
        opened = self._opened(run)
        with self._dropping(run):
            opened.write(position)
        return 0

    @hookimpl
    def register_models(self, run: RunInfo, models: Sequence[ModelVersion]) -> list[str]:
        """Keep the versions for the end of the session, which writes them to the config and links them."""
        return self._opened(run).models.take(models)

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> list[str]:
        """Finish the run in W&B, and return messages about what could not be verified."""
        opened = self._opened(run)
        with self._dropping(run):
            opened.close(status, time)
        del self._open[run.directory]
        return opened.say()

    @hookimpl
    def read_run(self, run: RunInfo) -> Source:
        """Read the ``.wandb`` files of the run's finished sessions, or the run at the server."""
        from multitrack_wandb.opening import open_run  # noqa: PLC0415 - see above

        return open_run(run)

    @hookimpl
    def open_source(self, address: str, tracker: str | None) -> Source | None:
        """Open the ``.wandb`` files of a file or directory, or a project at a server."""
        if tracker not in (None, self.name):
            return None
        from multitrack_wandb.opening import open_address  # noqa: PLC0415 - for imports alone

        return open_address(address, is_named=tracker is not None)

    @contextlib.contextmanager
    def _dropping(self, run: RunInfo) -> Iterator[None]:
        """End this session on any error but a retryable one that keeps the run open."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, RetryableError) or error.reopen:
                self._open.pop(run.directory, None)
            raise

    def _take(self, run: RunInfo, records: Sequence[DataRecord]) -> list[str]:
        opened = self._opened(run)
        stand_ins = [sentence for record in records for sentence in opened.take(record)]
        return stand_ins + opened.say()

    def _opened(self, run: RunInfo) -> OpenSession:
        try:
            return self._open[run.directory]
        except KeyError:
            from multitrack_wandb.errors import SessionLostError  # noqa: PLC0415 - see above

            raise SessionLostError("the run is no longer open in W&B") from None


backend = WandbBackend()
