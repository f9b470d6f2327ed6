"""KerasTuner with tracking: a search is a parent run, each trial a child run, in every backend.

    import multitrack.keras_tuner as kt  # instead of: import keras_tuner as kt

    tuner = kt.RandomSearch(build, objective="val_accuracy", max_trials=20)
    tuner.search(x, y, validation_data=(xv, yv))
    tuner.runs["07"].urls

Every public name of the installed KerasTuner is here, in its modules as well (``kt.oracles``, ``kt.errors``, …). The
tuners among them are tracked, and so is a subclass of ``kt.Tuner``, ``kt.BaseTuner``, ``kt.SklearnTuner`` or any other
of them; :func:`tracked` does the same for a class that derives from KerasTuner's own. All else is KerasTuner's.

**The search's run** is the active run, or one that ``search`` starts under the tuner's ``project_name`` and ends. It
holds, as params under ``search/``: tuner, objective, direction, ``max_trials`` and so on, and the search space, each
hyperparameter's definition as JSON text in ``search/space/<name>``; and, kept up to date, the tags ``best_trial``
and ``best_run`` and the simple metric ``best_score``. A search that is resumed (``overwrite=False``) goes on in the
same run, unless another run is active; where the resumed tuner differs (``max_trials``), that stands under
``search/2/``.

**A trial's run** is ``trial-<id>``, a second attempt ``trial-<id>-a2``. It holds the hyperparameters as params, what
a :class:`~multitrack.keras.TrackingCallback` records, and at the end, as simple metrics, ``score``, ``best_epoch``
and every metric's value at the best epoch. With several executions each has a run below, ``trial-<id>-e1``,
that holds its training, and the trial ``best_epoch_mean``. Hyperband's ``tuner/…`` values are tags.

Inside a trial :func:`multitrack.active_run` is the trial's (or execution's) run. For other options than the default,
pass a ``TrackingCallback(log_freq=…)`` to ``search``. Tuners with a ``run_trial`` of their own (``SklearnTuner``) have
all of this but the epochs, unless they hand a ``TrackingCallback`` to their ``fit``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multitrack._hints import to_install

try:
    import keras_tuner as _keras_tuner
except ImportError as error:
    if error.name not in {"keras", "keras_tuner", "six"}:  # six: what keras-tuner needs on JAX and does not declare
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

if TYPE_CHECKING:  # for type checkers and editors; at run time it is what the installed release has
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
