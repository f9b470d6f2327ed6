"""The Keras callback: record a training's epochs, batches, params and model summary into a run.

    with multitrack.start_run(project="digits"):
        model.fit(x, y, epochs=10, callbacks=[TrackingCallback()])

Works with TensorFlow, JAX and torch, and imports none of them. An error raised here is set aside in the run, counted
and logged once as a warning. It never reaches the training.
"""

from __future__ import annotations

from multitrack._hints import to_install

try:
    import keras  # noqa: F401 - checked here first, for a clear error
except ImportError as error:
    if error.name != "keras":  # Keras is installed, and names its own missing dependency
        raise
    raise ImportError(f"multitrack.keras needs Keras: {to_install('keras')}", name="keras") from error

from multitrack.keras.callback import BatchTrackingCallback, TrackingCallback
from multitrack.keras.figures import confusion_matrix

__all__ = ["BatchTrackingCallback", "TrackingCallback", "confusion_matrix"]
