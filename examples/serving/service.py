"""A service that reads digits, and records each prediction: its class, its latency, and whether it was right.

    pip install fastapi gunicorn uvicorn uvicorn-worker scikit-learn
    cd examples/serving
    DEPLOYMENT=eu gunicorn -k uvicorn_worker.UvicornWorker --workers 2 --preload --bind 127.0.0.1:8001 service:app
    python load.py eu=http://127.0.0.1:8001 --seconds 20
    multitrack monitor score

``DIGITS_MODEL`` is a Keras model of 8 × 8 images, as ``digits_search.py`` has them; leave out ``--preload`` then, as
TensorFlow cannot be forked. Without it, a support vector machine is trained, which takes a moment. TensorFlow would
take seconds and half a gigabyte to start in each worker.
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import numpy as np
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import multitrack


def load_model(path: str | None) -> Callable[[np.ndarray], int]:
    """A function from 64 pixels, each 0 to 16, to the digit."""
    if path is None:
        images, labels = load_digits(return_X_y=True)
        machine = SVC().fit(images[:1200], labels[:1200])
        return lambda pixels: int(machine.predict(pixels[None])[0])
    import keras  # noqa: PLC0415 - takes seconds

    network = keras.saving.load_model(path)
    return lambda pixels: int(np.argmax(network(pixels.reshape(1, 8, 8, 1) / 16, training=False)))


MODEL_PATH = os.environ.get("DIGITS_MODEL")
model = load_model(MODEL_PATH)  # with --preload, once for all workers


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs in each worker, after it was forked: each has a run of its own, which ends with it."""
    deployment, params = os.environ.get("DEPLOYMENT", "local"), {"model": MODEL_PATH or "SVC"}
    with multitrack.start_run("digits", params=params, deployment=deployment, trigger="endpoint") as run:
        if MODEL_PATH is not None:
            run.log_artifact_ref("digits", MODEL_PATH, kind="model", role="input")
        app.state.run = run
        yield


app = FastAPI(lifespan=lifespan)


class Image(BaseModel):
    """An image, with its true digit if the caller knows it, and a number by which the caller finds it again."""

    pixels: Annotated[list[float], Field(min_length=64, max_length=64)]
    label: int | None = None
    request: int | None = None


@app.post("/predict")
def predict(image: Image, request: Request) -> dict[str, int]:
    """Runs in a thread of a pool; threads and tasks share the worker's run."""
    begun = time.perf_counter()
    digit = model(np.array(image.pixels))
    numbers: dict[str, float] = {"class": digit, "latency": time.perf_counter() - begun}
    if image.label is not None:
        numbers["score"] = int(digit == image.label)
    if image.request is not None:
        numbers["request"] = image.request
    request.app.state.run.log_metrics(numbers)  # before the answer: what was answered is on the disk
    return {"class": digit, "worker": os.getpid()}
