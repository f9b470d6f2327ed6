"""The run object of W&B's SDK: its calls."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from multitrack.compat.wandb.artifacts import Artifact
from multitrack.compat.wandb.history import History
from multitrack.compat.wandb.references import References
from multitrack.compat.wandb.run_config import Config
from multitrack.compat.wandb.run_facts import RunFacts
from multitrack.compat.wandb.run_summary import OPERATIONS, Summary
from multitrack.compat.wandb.settings import Settings
from multitrack.recording.run import Run as RecordingRun


class AlertLevel(enum.Enum):
    """How serious an alert is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class Metric:
    """A metric that ``define_metric`` described.

    Attributes:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name


class Run(RunFacts):
    """A run with the calls of W&B's SDK, recorded in the journal. Made by ``init``.

    Args:
        run: The run to record into.
        facts: Values of attributes: ``entity``, ``group``, ``job_type``, ``tags`` and others.
        config: The config so far, of a run that is continued.
        summary: Its summary so far.
        step: Its first step.
        place: Where the directory of the program's own files is made, once it is asked for.

    Attributes:
        run: The run of multitrack, for its own calls.
        config: Values that are params.
        summary: Values that are simple metrics.
        settings: The settings that were given.
    """

    def __init__(
        self,
        run: RecordingRun,
        facts: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
        summary: Mapping[str, Any],
        step: int,
        place: Path,
    ) -> None:
        super().__init__(run, facts, place)
        self.config = Config(run, self.omissions, config)
        self.summary = Summary(run, self.omissions, summary)
        self.history = History(run, self.summary, self.omissions, step)
        self.settings = Settings(**facts)
        self._references = References(run, self.omissions)
        self.starting_step = step
        run.at_end.add(self._close)

    def __enter__(self) -> Self:
        self.run.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_finished = True
        self.run.__exit__(kind, error, trace)

    @property
    def step(self) -> int:
        """The current step."""
        return self.history.step

    def log(self, data: Any, step: Any = None, commit: bool | None = None, sync: bool | None = None) -> None:
        """Add values to the row of a step.

        Args:
            data: Values by name, nested or not: numbers, texts, images, tables and the like.
            step: The row; default: the current one.
            commit: False if the row is not complete yet; default: complete, unless ``step`` is given.
            sync: No effect, as in W&B.

        Raises:
            UsageError: If the run is finished.
        """
        del sync
        self._check("log")
        self.history.log(data, step, commit)

    def define_metric(
        self,
        name: str,
        step_metric: Any = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        overwrite: bool | None = None,
        **options: Any,
    ) -> Metric:
        """Say which metric counts the steps of another one, and what the summary has of it.

        Args:
            name: The metric, or a pattern such as ``val/*``.
            step_metric: The metric that counts its steps; recorded as the tag ``step_metric/<name>``.
            step_sync: False to keep its last value out of rows without it.
            hidden: No effect.
            summary: ``min``, ``max``, ``mean``, ``first``, ``last``, ``best``, ``none``, or several with commas.
            overwrite: No effect.
            options: ``goal`` or ``objective``: ``minimize`` or ``maximize``, for ``best``.
        """
        del hidden, overwrite
        self._check("define_metric")
        axis = getattr(step_metric, "name", step_metric)
        if axis is not None:
            if step_sync is not False:
                self.history.set_axis(str(name), str(axis))
            self._set_tags({f"step_metric/{name}": str(axis)})
        if summary is not None:
            operations = [each.strip().lower() for each in str(summary).split(",")]
            for each in operations:
                if each not in OPERATIONS:
                    self.omissions.leave_out("define_metric", f"there is no summary {each!r}")
            goal = str(options.get("goal") or options.get("objective") or "minimize")
            self.summary.define(str(name), operations, goal)
        return Metric(str(name))

    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,  # noqa: A002 - W&B's name
        aliases: list[str] | None = None,
        **options: Any,
    ) -> Artifact:
        """Record the files of an artifact, or of a path, as references that this run wrote."""
        del options
        self._check("log_artifact")
        return self._references.log_artifact(artifact_or_path, name, type, aliases)

    def log_model(self, path: Any, name: str | None = None, aliases: list[str] | None = None) -> Artifact:
        """Record a model that this run wrote; it gets a version at the run's end."""
        return self.log_artifact(path, name or f"run-{self.id}-model", "model", aliases)

    def use_artifact(self, artifact_or_name: Any, type: str | None = None, **options: Any) -> Artifact:  # noqa: A002 - as above
        """Record an artifact as an input of this run.

        A name means the artifact that a run of the project wrote last. Of an unknown one, the name alone is recorded.
        """
        del options
        self._check("use_artifact")
        return self._references.use_artifact(artifact_or_name, type)

    def save(self, glob_str: Any = None, base_path: Any = None, policy: str = "live", **options: Any) -> list[str]:
        """Record references to the files that match a pattern."""
        del policy, options
        self._check("save")
        return self._references.save(glob_str, base_path)

    def alert(self, title: str, text: str, level: Any = None, wait_duration: Any = None) -> None:
        """Record an alert as a log line. multitrack's own alerts are rules (docs/alerts.md)."""
        del wait_duration
        self._check("alert")
        with self.omissions.attempt("alert"):
            self.run.log_lines(f"alert {getattr(level, 'value', level) or 'INFO'}: {title}: {text}")

    def write_logs(self, text: str) -> None:
        """Record lines of a log."""
        with self.omissions.attempt("write_logs"):
            self.run.log_lines(str(text).removesuffix("\n"))

    def watch(self, *models: Any, **options: Any) -> None:
        """Do nothing: gradients and weights are not recorded."""
        del models, options
        self.omissions.say_once("watch", "gradients and weights are not recorded")

    def unwatch(self, *models: Any) -> None:
        """Do nothing."""

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run: as failed with an exit code other than 0."""
        del quiet
        if not self._is_finished:
            self._is_finished = True
            self.run.end("failed" if exit_code else "finished")

    def _close(self) -> None:
        """Record what is known at the end: figures of the summary, and the files in :attr:`dir`."""
        self.summary.close()
        if self._directory is not None:
            self._references.save_below(self._directory)
