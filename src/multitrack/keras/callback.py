"""The callback that records a training's epochs; :mod:`multitrack.keras.batches` records its batches as well."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self

import keras

from multitrack.environment import ranks
from multitrack.inputs.prepare import to_step
from multitrack.keras.checkpoints import Checkpoints, checkpoint_sources
from multitrack.keras.figures import Figures, checked_figures, log_figures
from multitrack.keras.fit import UNSET, Fit, Here
from multitrack.keras.guard import guarded
from multitrack.keras.numbers import log_numbers
from multitrack.keras.resume import Mark
from multitrack.keras.training import batches_before
from multitrack.recording import lifecycle
from multitrack.recording.active import active_run, disabled_run
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

#: Shared, not copied, when KerasTuner copies a callback for each of its executions.
_SHARED: Final = frozenset({"_given", "_run", "_model", "figures"})
#: Of this process, and of one callback.
_OWN: Final = frozenset({"_here", "_open", "was_called"})


class TrackingCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Records a ``fit`` into a run.

    - **Each epoch**, one record at step = epoch (so from ``initial_epoch`` on): every metric under the name Keras
      gives it, ``val_*`` included, a metric of several numbers as ``f1_score/0``, ``f1_score/1``, …; ``learning_rate``
      at the epoch's end (``learning_rate/0``, … of several optimizers); ``epoch_seconds``, validation included, and
      ``steps_per_second``, without. Where Keras' logs hold ``learning_rate``, theirs counts.
    - **As the first epoch begins**, params under ``fit/``, ``optimizer/`` and ``model/``, and the model's summary as
      log lines. A later ``fit`` into the same run writes what differs to ``fit/2/`` and so on, and
      goes on in the same series: after the last epoch of the same model, or where ``initial_epoch`` says.
    - **After an interruption**, a training that is repeated from a backup, in a run continued with ``run_id=`` or by
      ``BackupAndRestore``, records no epoch and no batch a second time that the run holds. How many that were is said,
      and counted in the delivery report.
    - **As fit ends**, also where it raises, references to the files that ``checkpoint`` wrote.
    - **evaluate()** outside of ``fit``: its metrics as simple metrics ``test_*``. ``predict()``: nothing.
    - Logs that are no numbers are set aside; the numbers beside them are kept.
    - **A training loop of your own** may call the hooks it likes; what follows from a hook that it does not call is
      left out, such as ``epoch_seconds`` without the begin of an epoch.

    ``TrackingCallback(log_freq=N)`` gives a :class:`BatchTrackingCallback`. This class itself overrides no batch
    hook, so that Keras keeps dispatching batches asynchronously on JAX and torch.

    Args:
        run: Where to; default: :func:`multitrack.active_run` when ``fit`` or ``evaluate`` begins.
        log_freq: ``"epoch"``, or N: also every N batches.
        log_summary: Whether the model's summary becomes log lines.
        checkpoint: The ``ModelCheckpoint`` of the same ``fit``, or the path or pattern of files that something
            else writes, or several: references ``checkpoint-best`` (``save_best_only``, or the best of a file
            for each ``{epoch}``) and ``checkpoint-last``, of kind ``model``, with digests once ``fit`` has ended.
        figures: By name, what draws a file from the model as ``fit`` ends and gives back its path, such as
            :func:`confusion_matrix`: references of kind ``figure``.
        samples: How many an epoch trains on, which Keras does not tell: param ``fit/samples``, and
            ``samples_per_second`` each epoch.

    Raises:
        TypeError: ``run`` is no run, a subclass that is no :class:`BatchTrackingCallback` is given a number, or an
            argument is of a wrong type.
        ValueError: ``log_freq`` is neither ``"epoch"`` nor a positive number, or a checkpoint's file is not local.
    """

    #: What ``log_freq=N`` makes; it derives from this class, and says so itself.
    _for_batches: ClassVar[type[TrackingCallback]]

    def __new__(  # noqa: D102
        cls,
        run: Run | None = None,  # noqa: ARG004
        log_freq: Literal["epoch"] | int = "epoch",
        **kwargs: Any,  # noqa: ARG004
    ) -> Self:
        wants_batches = cls is TrackingCallback and log_freq != "epoch"
        return super().__new__(cls._for_batches if wants_batches else cls)  # type: ignore[no-any-return]

    def __init__(
        self, run: Run | None = None, log_freq: Literal["epoch"] | int = "epoch", *, log_summary: bool = True,
        checkpoint: Checkpoints | None = None, figures: Figures | None = None, samples: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if run is not None and not isinstance(run, Run):
            raise TypeError(f"run must be a multitrack.Run, got {type(run).__name__} (batches: log_freq=N)")
        if log_freq != "epoch" or isinstance(self, self._for_batches):
            if isinstance(log_freq, bool) or not isinstance(log_freq, int) or log_freq < 1:
                raise ValueError(f'log_freq must be "epoch" or a positive number of batches, got {log_freq!r}')
            if not isinstance(self, self._for_batches):
                raise TypeError(
                    f"{type(self).__name__} must derive from BatchTrackingCallback to take log_freq={log_freq}"
                )
        self.log_freq = log_freq
        if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int) or samples < 1):
            raise ValueError(f"samples must be a positive number, got {samples!r}")
        self.log_summary = log_summary
        self.checkpoints = checkpoint_sources(checkpoint)
        self.figures = checked_figures(figures)
        self.samples = samples
        self._given = run
        self._run: Run | None = run
        self._here = Here()
        self._open: set[Fit] = set()  # those that Keras has begun
        self.was_called = False  # by anybody: told a model, or a hook

    def __getstate__(self) -> dict[str, Any]:
        """A copy, in this process or another, has no fit."""
        return {name: value for name, value in vars(self).items() if name not in _OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _here=Here(), _open=set(), was_called=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy that records into the same run."""
        clone = copy.copy(self)
        memo[id(self)] = clone
        for name, value in self.__getstate__().items():
            setattr(clone, name, value if name in _SHARED else copy.deepcopy(value, memo))
        return clone

    @property
    def run(self) -> Run:
        """The run it records into; outside of ``fit`` and ``evaluate``, the one it did last or would."""
        return self._run or active_run()

    def will_record_into(self, run: Run) -> bool:
        """Whether a ``fit`` that begins while ``run`` is the active one goes there."""
        return self._given is None or self._given is run

    @property
    def guarding_run(self) -> Run:
        """Where a trouble is set aside."""
        return self.run if self._here.fit is None else self._here.fit.run

    # -- what Keras calls -------------------------------------------------------------------------------------

    def set_model(self, model: Any) -> None:
        """Keras tells the model, whenever it puts the callback into a list."""
        super().set_model(model)
        self._here.model, self.was_called = model, True

    def set_params(self, params: Any) -> None:
        """Keras has put the callback into a new list: for ``fit``, or for an ``evaluate`` of its own."""
        super().set_params(params)
        self._here.fresh, self._here.mark = True, Mark.of(self._here.model)

    @guarded
    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """A ``fit`` begins."""
        here = self._here
        self._end_fit(here.fit, raised=True)
        model = self._model if here.model is None or here.model is UNSET else here.model
        mark = here.mark if here.mark is not None and here.fresh else Mark.of(model)
        here.fresh = False
        here.fit = self._make_fit(self._find_run(), model, mark)
        self._open.add(here.fit)

    @guarded
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """An epoch begins; with the first, what the training is made of is known."""
        self._here.fresh = False
        fit = self._current()
        fit.begin_epoch(to_step(epoch), self._model_of(fit))

    @guarded
    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """An ``evaluate`` begins; inside ``fit`` it is the validation, with which the epoch's training has ended."""
        fit = self._here.fit
        if fit is not None and not self._here.fresh:
            fit.training_ended(self._model_of(fit))

    @guarded
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """An epoch has ended, its validation included."""
        fit = self._current()
        if not fit.run.disabled:
            model = self._model_of(fit)
            fit.end_epoch(to_step(epoch), logs, model, self._batches_trained(fit, model))

    @guarded
    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """The ``fit`` has ended as it should; Keras does not call this when it raised."""
        fit = self._here.fit or self._open_elsewhere()
        if fit is None:
            return
        model = self._model_of(fit)
        self._end_fit(fit, raised=False)
        self._here.model = None
        if not fit.run.disabled and model is not None:
            log_figures(fit.run, self.figures, model)

    @guarded
    def on_predict_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """A ``predict`` begins: the list was its own, and a validation that comes next is the fit's again."""
        self._leave_own_list()

    @guarded
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """An ``evaluate`` has ended; validation inside ``fit`` comes again with ``on_epoch_end``."""
        fit = self._here.fit
        in_fit = fit is not None and (fit.begun or fit.in_epoch)
        if in_fit and not self._here.fresh:
            return
        self._leave_own_list()
        run = fit.run if fit is not None and in_fit and fit.run.status == "running" else self._find_run()
        named = {f"test_{name}": value for name, value in logs.items()} if isinstance(logs, Mapping) else logs
        log_numbers(run, named, step=None)

    # -- inside -----------------------------------------------------------------------------------------------

    def _current(self) -> Fit:
        """The fit of this thread: the one that was begun here, or the only one, or one that nobody has begun."""
        here, self.was_called = self._here, True
        fit = here.fit
        if fit is not None and fit.begun:
            return fit
        if fit is None and here.model is UNSET and (elsewhere := self._open_elsewhere()) is not None:
            return elsewhere
        run = self._given or active_run()
        model = self._model if here.model is UNSET else here.model
        same_run = here.asked is not None and (run is here.asked or (run.disabled and here.asked.disabled))
        if fit is None or fit.model is not model or not same_run:
            here.asked = run
            here.fit = fit = self._make_fit(self._find_run(), model, None)
        return fit

    def _leave_own_list(self) -> None:
        """An ``evaluate`` or ``predict`` of its own is over, perhaps of another model than the fit's around it."""
        here = self._here
        if here.fresh and here.fit is not None and here.fit.begun:
            self.set_model(here.fit.model)
        here.fresh = False

    def _open_elsewhere(self) -> Fit | None:
        """The fit that a hook on a thread of no fit belongs to.

        Raises:
            RuntimeError: Several have been begun.
        """
        begun = [fit for fit in list(self._open) if fit.run.status == "running"]
        if len(begun) > 1:
            raise RuntimeError(
                f"one callback is in {len(begun)} fits at once, and a hook came on a thread of none of them: "
                "give each fit a callback of its own"
            )
        return begun[0] if begun else None

    @guarded  # by itself: an optimizer that cannot be asked must not cost the epoch's metrics
    def _batches_trained(self, fit: Fit, model: Any) -> int | None:
        if fit.batches is not None:
            count: int = fit.batches.end_epoch(model, begun=fit.begun)
            return count
        return None if model is None else batches_before(model)

    def _make_fit(self, run: Run, model: Any, mark: Mark | None) -> Fit:
        params = self.params if isinstance(self.params, Mapping) else {}
        # Copied, because an evaluate() inside the fit would bring params of its own.
        return Fit(
            run, model, dict(params), self.checkpoints, mark=mark, log_summary=self.log_summary, samples=self.samples,
            batches=self.log_freq != "epoch",
        )  # fmt: skip

    def _end_fit(self, fit: Fit | None, *, raised: bool) -> None:
        if fit is not None:
            self._open.discard(fit)
            if self._here.fit is fit:
                self._here.fit = None
            fit.end(raised=raised)

    def _model_of(self, fit: Fit) -> Any:
        """The model of a fit; ``None`` where another has been set since, so that it is not sure which is meant."""
        if fit.model is not self._model:
            return None
        try:
            return self.model
        except Exception:  # noqa: BLE001 - Keras asks what was set, which may be no model of Keras
            return None

    def _find_run(self) -> Run:
        run = self._given or active_run()
        place = ranks.this_process()
        if place.passed_over(run.settings.ranks) and not run.disabled:
            log.warning(
                "multitrack: TrackingCallback: %s: records nothing, though run %s is open: it was started "
                "before this process joined the others; call multitrack.start_run() after", place, run.id
            )  # fmt: skip
            run = disabled_run()
        self._run = run
        if run.disabled and self._given is None and lifecycle.last_open() is None:
            log.warning(
                "multitrack: TrackingCallback: no run is open, nothing is recorded; "
                "call multitrack.start_run() before, or pass run="
            )
        return run
