"""What is recorded of one fit: its epochs, what it is made of, how fast it trains, the files it leaves."""

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

#: Told of each epoch that a callback sees, by the run it records into: the fit's number, the epoch as Keras counts, its
#: step, and Keras' logs. For the tuners, who ask which epoch was the best.
watchers: Final[weakref.WeakKeyDictionary[Run, Callable[[int, int, int, Mapping[str, Any]], object]]] = (
    weakref.WeakKeyDictionary()
)

_numbers: Final = itertools.count()


class Fit:
    """One fit; each part is guarded by itself, so that a model of an unusual kind costs that part only.

    The hooks of a callback may come without those before them, as from a training loop of the user's own: then the
    fit is one that nobody has begun, and what follows from its begin is left out.

    Args:
        run: Where to.
        model: The model as it was handed to the callback.
        params: What Keras tells callbacks of the fit.
        checkpoints: Whose files are referred to.
        mark: The model before any callback of the fit was called, where Keras has begun it.
        log_summary: Whether the model's summary becomes log lines.
        samples: How many an epoch trains on, where the user says.
        batches: Whether batches are recorded as well.

    Attributes:
        number: Its number in this process.
        run: As given.
        model: As given.
        params: As given.
        begun: Whether Keras has begun it, so that it ends.
        training: The model's training in the run, from the first epoch's begin on.
        batches: Counts and records its batches, where they are recorded.
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
        self._offset = 0  # what is added to Keras' epoch to have its step
        self._epoch_began: tuple[int, float] | None = None
        if checkpoints and not run.disabled:
            self._watch_files(checkpoints)

    @property
    def in_epoch(self) -> bool:
        """Whether an epoch has begun that has not ended."""
        return self._epoch_began is not None

    def begin_epoch(self, epoch: int, model: Any) -> None:
        """An epoch begins; with the first, what the training is made of is known."""
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
        """The epoch's batches are trained; gives their speeds, as they were when this was called first."""
        unsure = model is None and self.model is not None
        if self._throughput is None or not self.in_epoch or unsure:
            return {}
        return self._throughput.training_ended(model)

    def end_epoch(self, epoch: int, logs: Any, model: Any, batches: int | None) -> None:
        """An epoch has ended, its validation included.

        Args:
            epoch: As Keras counts.
            logs: What Keras says of it.
            model: The model, ``None`` where it is not sure which.
            batches: How many were trained by now, where that is known.
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
        """The fit has ended, or it is known to have raised."""
        if self.training is not None and raised:
            self.training.settle()
        elif self.training is not None:
            self.training.end_fit()
        if self._watch is not None:
            self._watch.end()

    def learning_rates(self, model: Any) -> dict[str, float]:
        """The learning rates as they are now; none where they cannot be asked for."""
        try:
            return learning_rates(model)
        except Exception as error:  # noqa: BLE001 - an optimizer of the user's own must not cost the epoch's metrics
            put_aside(self.run, "TrackingCallback: learning_rate", error)
            return {}

    @guarded
    def log_model(self, model: Any) -> None:
        """Record a Keras model once it is built; its summary with it, unless the run knows the model already."""
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
            log_numbers(self.run, logs, step)  # which says what is wrong with them
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
    """Measures how fast the epochs of one fit train: batches by the seconds they took, validation left out.

    Keras tells callbacks neither the number of batches an epoch really had nor the data. Where it knows the length of
    an epoch beforehand that counts, unless the optimizer has seen clearly less; where it does not, the optimizer's
    count.

    Args:
        model: The model as the first epoch begins.
        steps: Batches an epoch, where Keras knows them.
        samples: How many an epoch trains on, where the user says.
    """

    def __init__(self, model: Any, steps: int | None, samples: int | None) -> None:
        self._steps = steps
        self._samples = samples
        self._accumulated = getattr(models.optimizer_of(model), "gradient_accumulation_steps", None) or 1
        # On TensorFlow the end of the data is a batch to the optimizer, where it is found by reading beyond it.
        self._too_many = int(
            steps is None and models.steps_at_once(model) == 1 and keras.backend.backend() == "tensorflow"
        )
        self._trained = models.batches_trained(model)
        self._began = time.perf_counter()
        self._speeds: dict[str, float] | None = None

    def begin_epoch(self) -> None:
        """An epoch begins."""
        self._began = time.perf_counter()
        self._speeds = None

    def training_ended(self, model: Any) -> dict[str, float]:
        """The epoch's batches are trained: its validation begins, or the epoch ends; only the first call measures.

        Reading the optimizer's count also waits for batches that JAX has only been told to compute.

        Returns:
            ``steps_per_second``, and ``samples_per_second`` where the samples are known.
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
        # The optimizer's count moves by whole accumulations, or not at all where the model has an update of its own.
        cut_short = 0 < counted <= self._steps - self._accumulated
        return counted if cut_short else self._steps
