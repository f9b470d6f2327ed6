"""Record one fit: its epochs, params, training speed and checkpoint files."""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import keras

from multitrack.keras import model as models
from multitrack.keras.checkpoints import Source, Watch
from multitrack.keras.guard import guarded, put_aside
from multitrack.keras.learning_rate import learning_rates
from multitrack.keras.numbers import log_numbers
from multitrack.keras.resume import Mark
from multitrack.keras.sections import log_section
from multitrack.keras.training import Training, Trainings
from multitrack.recording.run import Run

#: Listeners by run, for the tuners, which need the best epoch. Each is called for every epoch with the fit's number,
#: the epoch as Keras counts, its step, and Keras' logs.
watchers: Final[weakref.WeakKeyDictionary[Run, Callable[[int, int, int, Mapping[str, Any]], object]]] = (
    weakref.WeakKeyDictionary()
)

_numbers: Final = itertools.count()


class Fit:
    """One fit. Each part is guarded on its own, so that an unusual model costs only the part it breaks.

    A custom training loop may call hooks without the ones before them. Then ``begun`` is False, and values that need
    the missing hooks are left out.

    Args:
        run: The run to record into.
        model: The model as it was handed to the callback.
        params: The params that Keras passes to callbacks.
        checkpoints: Checkpoints whose files are recorded as references.
        mark: The model before any callback of the fit was called; ``None`` if Keras has not begun the fit.
        log_summary: True to record the model's summary as log lines.
        samples: Number of samples per epoch, if given by the user.
        batches: True to record batches as well.

    Attributes:
        number: Its number in this process.
        run: As given.
        model: As given.
        params: As given.
        begun: True if Keras has begun it, and so ends it.
        training: The model's training in the run, from the start of the first epoch on.
        batches: The counter and recorder of batches, if they are recorded.
    """

    guarding_name = "TrackingCallback"

    def __init__(
        self, run: Run, model: Any, params: Mapping[str, Any], checkpoints: Sequence[Source] = (), *,
        mark: Mark | None = None, log_summary: bool = True, samples: int | None = None, batches: bool = False,
    ) -> None:  # fmt: skip
        self.number = next(_numbers)
        self.run = self.guarding_run = run
        self.model = model
        self.params = params
        self.begun = mark is not None
        self.training: Training | None = None
        self.batches: Any = None
        self._mark = mark
        self._log_summary = log_summary
        self._samples = samples
        self._records_batches = batches
        self._lock = threading.RLock()
        self._watch: Watch | None = None
        self._throughput: Throughput | None = None
        self._described = self._has_model = False
        self._offset = 0  # step minus Keras' epoch
        self._epoch_began: tuple[int, float] | None = None
        if checkpoints and not run.disabled:
            self._watch_files(checkpoints)

    @property
    def in_epoch(self) -> bool:
        """True between the start and the end of an epoch."""
        return self._epoch_began is not None

    def begin_epoch(self, epoch: int, model: Any) -> None:
        """Start an epoch. At the first one, the params of the training are known and recorded."""
        if self.run.disabled:
            return
        with self._lock:
            if self._watch is not None:
                self._watch.look()
            if not self._described:
                self._described = True
                self._measure(model)
                self._find_training(epoch, model)
                self._describe(epoch, model)
                self.log_model(model)
            self._epoch_began = epoch, time.perf_counter()
            if self._throughput is not None:
                self._throughput.begin_epoch()

    @guarded
    def training_ended(self, model: Any) -> dict[str, float]:
        """End the batches of the epoch and return their speeds, as measured at the first call."""
        unsure = model is None and self.model is not None
        if self._throughput is None or not self.in_epoch or unsure:
            return {}
        return self._throughput.training_ended(model)

    def end_epoch(self, epoch: int, logs: Any, model: Any, batches: int | None) -> None:
        """End an epoch, after its validation.

        Args:
            epoch: The epoch as Keras counts.
            logs: The logs from Keras.
            model: The model, or ``None`` if it is ambiguous.
            batches: Number of batches trained so far, if known.
        """
        with self._lock:
            began = self._epoch_began
            seconds = time.perf_counter() - began[1] if began is not None and began[0] == epoch else None
            speeds = self.training_ended(model) if seconds is not None else None
            self._epoch_began = None
            training = self.training if seconds is not None else None
            step = epoch + self._offset
            if training is None or not training.holds_epoch(step):
                added = {**self.learning_rates(model), **({} if seconds is None else {"epoch_seconds": seconds})}
                self._log_epoch({**added, **(speeds or {})}, logs, step)
            if training is not None:
                self._note(training, epoch, step, model, batches)
            self._tell(epoch, step, logs)
            if self._watch is not None:
                self._watch.epoch_ended(logs if isinstance(logs, Mapping) else None)
            self.log_model(model)

    def end(self, *, raised: bool) -> None:
        """End the fit, which may have raised."""
        if self.training is not None and raised:
            self.training.settle()
        elif self.training is not None:
            self.training.end_fit()
        if self._watch is not None:
            self._watch.end()

    def learning_rates(self, model: Any) -> dict[str, float]:
        """Return the current learning rates, or an empty dict if they cannot be read."""
        try:
            return learning_rates(model)
        except Exception as error:  # noqa: BLE001 - a custom optimizer must not cost the epoch's metrics
            put_aside(self.run, "TrackingCallback: learning_rate", error)
            return {}

    @guarded
    def log_model(self, model: Any) -> None:
        """Record a Keras model once it is built, with its summary unless the run already holds the model."""
        if self._has_model or not isinstance(model, keras.Model) or not model.built:
            return
        self._has_model = True
        if self._section("model", models.model_params(model)) and self._log_summary:
            self.run.log_lines(models.summary_lines(model))

    @guarded
    def _log_epoch(self, added: Mapping[str, Any], logs: Any, step: int) -> None:
        if logs is None or isinstance(logs, Mapping):
            log_numbers(self.run, {**added, **(logs or {})}, step)
        else:
            log_numbers(self.run, logs, step)  # sets the error aside
            log_numbers(self.run, added, step)

    @guarded
    def _note(self, training: Training, epoch: int, step: int, model: Any, batches: int | None) -> None:
        training.batches = training.batches if batches is None else batches
        training.note(epoch + 1, step + 1, model)

    @guarded
    def _tell(self, epoch: int, step: int, logs: Any) -> None:
        watcher = watchers.get(self.run)
        if watcher is not None and isinstance(logs, Mapping):
            watcher(self.number, epoch, step, logs)

    @guarded
    def _find_training(self, epoch: int, model: Any) -> None:
        restored = self._mark is not None and self._mark.was_restored(model)
        steps = self.params.get("steps")
        self.training, step = Trainings.of(self.run).begin_fit(
            self.run, epoch, model, as_given=not self.begun, restored=restored, batches=self._records_batches,
            steps=steps if isinstance(steps, int) else None,
        )  # fmt: skip
        self._offset = step - epoch

    @guarded
    def _watch_files(self, checkpoints: Sequence[Source]) -> None:
        self._watch = Watch(self.run, checkpoints)

    @guarded
    def _measure(self, model: Any) -> None:
        steps = self.params.get("steps")
        self._throughput = Throughput(model, steps if isinstance(steps, int) else None, self._samples)

    @guarded
    def _describe(self, epoch: int, model: Any) -> None:
        ours = isinstance(model, keras.Model)
        params = {
            "epochs": self.params.get("epochs"),
            "initial_epoch": epoch,
            "steps": self.params.get("steps"),
            "steps_per_execution": models.steps_at_once(model) if ours else None,
            "samples": self._samples,
            "loss": models.loss_names(getattr(model, "loss", None)) if ours else None,
        }
        self._section("fit", {name: value for name, value in params.items() if value is not None})
        self._section("optimizer", models.optimizer_params(model))

    @guarded
    def _section(self, name: str, params: Mapping[str, Any]) -> bool:
        return log_section(self.run, name, params)


class Throughput:
    """Measures the training speed of each epoch of one fit: batches per second, without validation.

    Keras gives callbacks neither the actual number of batches of an epoch nor the data. The number that Keras expects
    is used, unless the optimizer has counted clearly fewer. Without it, the optimizer's count is used.

    Args:
        model: The model at the start of the first epoch.
        steps: Batches per epoch, if known to Keras.
        samples: Samples per epoch, if given by the user.
    """

    def __init__(self, model: Any, steps: int | None, samples: int | None) -> None:
        self._steps = steps
        self._samples = samples
        self._accumulated = getattr(models.optimizer_of(model), "gradient_accumulation_steps", None) or 1
        # On TensorFlow the optimizer counts one batch too many if the end of the data is found by reading beyond it.
        self._too_many = int(
            steps is None and models.steps_at_once(model) == 1 and keras.backend.backend() == "tensorflow"
        )
        self._trained = models.batches_trained(model)
        self._began = time.perf_counter()
        self._speeds: dict[str, float] | None = None

    def begin_epoch(self) -> None:
        """Start an epoch."""
        self._began = time.perf_counter()
        self._speeds = None

    def training_ended(self, model: Any) -> dict[str, float]:
        """End the batches of the epoch, at its validation or its end. Only the first call measures.

        Reading the optimizer's count also waits for batches that JAX has only queued.

        Returns:
            ``steps_per_second``, and ``samples_per_second`` if the number of samples is known.
        """
        if self._speeds is None:
            before, self._trained = self._trained, models.batches_trained(model)
            seconds = time.perf_counter() - self._began
            batches = self._batches(self._trained - before) if seconds > 0 else 0
            self._speeds = {"steps_per_second": batches / seconds} if batches else {}
            if self._samples is not None and batches and self._steps in (None, batches):
                self._speeds["samples_per_second"] = self._samples / seconds
        return self._speeds

    def _batches(self, counted: int) -> int:
        if self._steps is None:
            return max(counted - self._too_many, 0)
        # The optimizer's count may move in whole accumulations, or not at all if the model has a custom update.
        cut_short = 0 < counted <= self._steps - self._accumulated
        return counted if cut_short else self._steps
