"""The Keras callback: a training's epochs, batches, params and model summary go into a run.

    with multitrack.start_run(project="digits"):
        model.fit(x, y, epochs=10, callbacks=[TrackingCallback()])

Works with TensorFlow, JAX and torch, and imports none of them. Whatever goes wrong in here is set aside in
the run, counted and warned of once; training never sees it.
"""

from __future__ import annotations

from multitrack._hints import to_install

try:
    import keras  # noqa: F401 - the first to say that it is missing
except ImportError as error:
    if error.name != "keras":  # Keras is there, and says itself which of its own needs is not
        raise
    raise ImportError(f"multitrack.keras needs Keras: {to_install('keras')}", name="keras") from error

from multitrack.keras.callback import BatchTrackingCallback, TrackingCallback
from multitrack.keras.figures import confusion_matrix

__all__ = ["BatchTrackingCallback", "TrackingCallback", "confusion_matrix"]
