"""KerasTuner with tracking: a search is a parent run, each trial a child run, in every backend.

    import multitrack.keras_tuner as kt  # instead of: import keras_tuner as kt

    tuner = kt.RandomSearch(build, objective="val_accuracy", max_trials=20)
    tuner.search(x, y, validation_data=(xv, yv))
    tuner.runs["07"].urls

Every public name of the installed KerasTuner is available here, submodules included (``kt.oracles``, ``kt.errors``, …).
The tuners are tracked, and so are subclasses of ``kt.Tuner``, ``kt.BaseTuner``, ``kt.SklearnTuner`` and so on. Use
:func:`tracked` for a class that derives from KerasTuner's own. All other names are KerasTuner's objects.

**The search's run** is the active run, or one that ``search`` starts under the tuner's ``project_name`` and ends. Its
params under ``search/`` hold the tuner, objective, direction, ``max_trials`` and so on, and the search space, with each
hyperparameter's definition as JSON text in ``search/space/<name>``. Its tags ``best_trial`` and ``best_run`` and its
simple metric ``best_score`` are kept up to date. A resumed search (``overwrite=False``) continues in the same run,
unless another run is active. Params that differ in the resumed tuner (``max_trials``) go to ``search/2/``.

**A trial's run** is named ``trial-<id>``, or ``trial-<id>-a2`` for a second attempt. It holds the hyperparameters as
params and the records of a :class:`~multitrack.keras.TrackingCallback`. At the end it gets, as simple metrics,
``score``, ``best_epoch`` and every metric's value at the best epoch. With several executions, each has a child run
``trial-<id>-e1`` with its training, and the trial has ``best_epoch_mean``. Hyperband's ``tuner/…`` values are tags.

Inside a trial :func:`multitrack.active_run` is the trial's (or execution's) run. To change the callback's options, pass
a ``TrackingCallback(log_freq=…)`` to ``search``. Tuners with their own ``run_trial`` (``SklearnTuner``) record all of
this except the epochs, unless they pass a ``TrackingCallback`` to their ``fit``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multitrack._hints import to_install

try:
    import keras_tuner as _keras_tuner
except ImportError as error:
    if error.name not in {"keras", "keras_tuner", "six"}:  # six: an undeclared dependency of keras-tuner on JAX
        raise
    raise ImportError(
        f"multitrack.keras_tuner needs {error.name}: {to_install('keras-tuner')}", name=error.name
    ) from error

from multitrack.keras_tuner import _mirror
from multitrack.keras_tuner import tuners as tuners
from multitrack.keras_tuner.tuners import BaseTuner as BaseTuner
from multitrack.keras_tuner.tuners import BayesianOptimization as BayesianOptimization
from multitrack.keras_tuner.tuners import GridSearch as GridSearch
from multitrack.keras_tuner.tuners import Hyperband as Hyperband
from multitrack.keras_tuner.tuners import RandomSearch as RandomSearch
from multitrack.keras_tuner.tuners import SklearnTuner as SklearnTuner
from multitrack.keras_tuner.tuners import Tuner as Tuner
from multitrack.keras_tuner.tuners import tracked as tracked

if TYPE_CHECKING:  # for type checkers and editors; at run time the names come from the installed release
    from keras_tuner import HyperModel as HyperModel
    from keras_tuner import HyperParameters as HyperParameters
    from keras_tuner import Objective as Objective
    from keras_tuner import Oracle as Oracle
    from keras_tuner import synchronized as synchronized

    from multitrack.keras_tuner import applications as applications
    from multitrack.keras_tuner import engine as engine
    from multitrack.keras_tuner import errors as errors
    from multitrack.keras_tuner import oracles as oracles

__version__: str = _keras_tuner.__version__

_names = _mirror.names(_keras_tuner, __name__)
globals().update(_names)
__all__ = sorted({*_names, "BaseTuner", "tracked"})
