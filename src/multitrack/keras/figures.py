"""Draw figures when a fit has ended, and a ready-made one: the confusion matrix."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multitrack._hints import to_install
from multitrack.keras.guard import put_aside
from multitrack.recording.active import active_run
from multitrack.recording.run import Run

Figures = Mapping[str, Callable[[Any], str | os.PathLike[str]]]

#: Most classes for which each cell shows its number; beyond, it would be illegible.
_NUMBERED = 30


def checked_figures(figures: Figures | None) -> Figures:
    """Return the ``figures=`` argument as a dict.

    Raises:
        TypeError: ``figures`` is not a mapping of names to callables.
    """
    if figures is None:
        return {}
    if not isinstance(figures, Mapping) or not all(isinstance(n, str) and callable(f) for n, f in figures.items()):
        raise TypeError(f"figures must map names to callables that take the model, got {figures!r}")
    return dict(figures)


def log_figures(run: Run, figures: Figures, model: Any) -> None:
    """Draw each figure with ``run`` as the active run, and record a reference to it. Errors are set aside."""
    for name, draw in figures.items():
        try:
            with run.activate():
                path = draw(model)
            run.log_artifact_ref(name, path, kind="figure")
        except Exception as error:  # noqa: BLE001 - user code must not break training
            put_aside(run, f"figure {name}", error)


def confusion_matrix(
    x: Any, y: Any, path: str | os.PathLike[str], labels: Sequence[str] | None = None
) -> Callable[[Any], Path]:
    """Return a figure for ``TrackingCallback(figures=…)``: the confusion matrix of true and predicted classes.

        TrackingCallback(figures={"confusion": confusion_matrix(x_test, y_test, "confusion-{run}.png", digits)})

    With one output, class 1 is predicted above 0.5, or above 0 if the loss has ``from_logits=True``. With several
    outputs, the largest is the predicted class.

    Args:
        x: The input of ``model.predict``.
        y: The true classes: integers from 0 on, or one-hot.
        path: The file to write. ``{run}`` is replaced by the run id, so that each trial of a search has its own file.
            The suffix sets the format; missing directories are created.
        labels: The class names.

    Returns:
        A callable that takes the model, draws into ``path`` and returns the path.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: matplotlib does not support the format, ``y`` is not classes, or ``labels`` are too few for ``y``.
    """
    try:
        from matplotlib.backend_bases import FigureCanvasBase  # noqa: PLC0415 - an extra, and half a second
    except ImportError as error:
        if error.name != "matplotlib":
            raise
        raise ImportError(f"confusion_matrix needs matplotlib: {to_install('plot')}", name="matplotlib") from error
    place = os.fspath(path)
    formats = FigureCanvasBase.get_supported_filetypes()
    if Path(place).suffix.removeprefix(".") not in formats:
        raise ValueError(f"path must end in one of {', '.join(f'.{each}' for each in sorted(formats))}, got {place!r}")
    truth = np.asarray(y)
    whole = truth.astype(np.int64)
    if not np.array_equal(whole, truth) or (whole.size and whole.min() < 0):
        raise ValueError("y must be classes, whole numbers from 0 on, or one-hot")
    highest = _highest(whole)
    if labels is not None and len(labels) <= highest:
        raise ValueError(f"labels must name every class, got {len(labels)} for classes up to {highest}")

    def draw(model: Any) -> Path:
        outputs = np.asarray(model.predict(x, verbose=0))
        if outputs.ndim > 1 and outputs.shape[-1] > 1:
            classes, predicted = outputs.shape[-1], outputs.argmax(axis=-1)
        else:
            classes, predicted = 2, outputs > (0.0 if getattr(model.loss, "from_logits", False) else 0.5)
        true = whole.argmax(axis=-1) if whole.shape == outputs.shape and classes == outputs.shape[-1] else whole
        counts = count_pairs(true, predicted, max(classes, len(labels or ())))
        target = Path(place.replace("{run}", active_run().id))
        target.parent.mkdir(parents=True, exist_ok=True)
        _draw(counts, target, labels or ())
        return target

    return draw


def count_pairs(true: Any, predicted: Any, classes: int) -> Any:
    """Count how often each true class (row) was predicted as each class (column).

    Raises:
        ValueError: The two differ in length, or a true class is out of range.
    """
    rows, columns = np.ravel(true), np.ravel(predicted).astype(np.int64)
    if rows.size != columns.size:
        raise ValueError(f"{rows.size} true classes, but {columns.size} predictions")
    if rows.size and rows.max() >= classes:
        raise ValueError(f"the model has classes up to {classes - 1}, y has classes up to {rows.max()}")
    return np.bincount(rows * classes + columns, minlength=classes * classes).reshape(classes, classes)


def _highest(whole: Any) -> int:
    """Return the highest class in ``y``, judged by its shape and values alone; -1 if empty."""
    if not whole.size:
        return -1
    maybe_one_hot = whole.ndim > 1 and whole.shape[-1] > 1
    return int(whole.shape[-1] - 1 if maybe_one_hot and whole.max() <= 1 else whole.max())


def _draw(counts: Any, target: Path, labels: Sequence[str]) -> None:
    """Draw without pyplot: its figures are global to the process, and its backend may need a display."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    classes = len(counts)
    names = [str(labels[i]) if i < len(labels) else str(i) for i in range(classes)]
    inches = min(max(3.0, 0.5 * classes + 1.5), 20.0)
    figure = Figure(figsize=(inches, inches), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(counts, cmap="Blues")
    # A dollar sign in a label would start a formula.
    axes.set_xticks(range(classes), names, rotation=90, parse_math=False)
    axes.set_yticks(range(classes), names, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if classes <= _NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if count > counts.max() / 2 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color)
    figure.savefig(target)
