"""The points of a run that a test compares with what Keras says itself."""

from typing import Any

import keras


def points(recorded_run: Any, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in recorded_run.get_metrics(name).get(name, [])]


def assert_like_history(recorded_run: Any, history: Any) -> None:
    assert history.history
    for name, series in history.history.items():
        assert points(recorded_run, name) == list(zip(history.epoch, series, strict=True)), name


def steps(recorded_run: Any, name: str = "loss") -> list[int]:
    return [step for step, _ in points(recorded_run, name)]


def series(held: Any) -> dict[str, list[tuple[int, float]]]:
    return {name: [(p.step, p.value) for p in points] for name, points in held.get_metrics().items()}


def uncompiled() -> Any:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
