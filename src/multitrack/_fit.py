"""What is recorded of one fit beside its metrics: what it is made of, how fast it trains, the files it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from multitrack import _model
from multitrack._checkpoints import Source, Watch
from multitrack._guard import guarded, put_aside
from multitrack._sections import log_section
from multitrack._throughput import Throughput
from multitrack.errors import MetricKindError
from multitrack.inputs.values import to_number
from multitrack.run import Run


class Fit:
    """One fit; each part is guarded by itself, so that a model of an unusual kind costs that part only.

    Args:
        run: Where to.
        params: What Keras tells callbacks of it.
        checkpoints: Whose files are referred to.
        log_summary: Whether the model's summary becomes log lines.
        samples: How many an epoch trains on, where the user says.
    """

    def __init__(
        self, run: Run, params: Mapping[str, Any], checkpoints: Sequence[Source], *, log_summary: bool,
        samples: int | None,
    ) -> None:  # fmt: skip
        self.guarding_run = run
        self._params = params
        self._watch: Watch | None = None
        self._log_summary = log_summary
        self._samples = samples
        self._begun = self._has_model = False
        self._throughput: Throughput | None = None
        if checkpoints:
            self._watch_files(checkpoints)

    def begin_epoch(self, epoch: int, model: Any) -> None:
        """An epoch begins; with the first, what the training is made of is known."""
        if self._watch is not None:
            self._watch.look()
        if not self._begun:
            self._begun = True
            self._measure(model)
            self._describe(epoch, model)
            self.log_model(model)
        if self._throughput is not None:
            self._throughput.begin_epoch()

    @guarded
    def training_ended(self, model: Any) -> dict[str, float]:
        """The epoch's batches are trained; gives their speeds, as they were when this was called first."""
        return {} if self._throughput is None else self._throughput.training_ended(model)

    def epoch_ended(self, logs: Mapping[str, Any] | None, model: Any) -> None:
        """An epoch has ended, its validation included."""
        if self._watch is not None:
            self._watch.epoch_ended(logs)
        self.log_model(model)

    def end(self) -> None:
        """The fit has ended, or it is known to have raised."""
        if self._watch is not None:
            self._watch.end()

    @guarded
    def log_model(self, model: Any) -> None:
        """Record the model once it is built; its summary with it, unless the run knows the model already."""
        if self._has_model or not model.built:
            return
        self._has_model = True
        if self._section("model", _model.model_params(model)) and self._log_summary:
            self.guarding_run.log_lines(_model.summary_lines(model))

    @guarded
    def _watch_files(self, checkpoints: Sequence[Source]) -> None:
        self._watch = Watch(self.guarding_run, checkpoints)

    @guarded
    def _measure(self, model: Any) -> None:
        self._throughput = Throughput(model, self._params.get("steps"), self._samples)

    @guarded
    def _describe(self, epoch: int, model: Any) -> None:
        params = {
            "epochs": self._params.get("epochs"),
            "initial_epoch": epoch,
            "steps": self._params.get("steps"),
            "steps_per_execution": getattr(model, "steps_per_execution", None),
            "samples": self._samples,
            "loss": _model.loss_names(getattr(model, "loss", None)),
        }
        self._section("fit", {name: value for name, value in params.items() if value is not None})
        self._section("optimizer", _model.optimizer_params(model))

    @guarded
    def _section(self, name: str, params: Mapping[str, Any]) -> bool:
        return log_section(self.guarding_run, name, params)


def log_numbers(run: Run, logs: Mapping[str, Any], step: int | None) -> None:
    """Record the numbers among Keras' ``logs`` as one record, and set the others aside."""
    numbers: dict[str, Any] = {}
    for name, value in logs.items():
        if type(value) is float:  # what Keras makes of nearly everything
            numbers[name] = value
            continue
        try:
            numbers[name] = to_number(value, name)
        except TypeError as error:
            put_aside(run, "TrackingCallback", error)
    try:
        run.log_metrics(numbers, step)
    except MetricKindError:  # one of them is a list metric in this run: the others must not go with it
        for name, number in numbers.items():
            try:
                run.log_metric(name, number, step)
            except MetricKindError as error:
                put_aside(run, "TrackingCallback", error)
