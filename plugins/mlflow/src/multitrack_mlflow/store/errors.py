"""Errors in MLflow's own form, so that clients and the server treat them like those of its other stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    NOT_IMPLEMENTED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)

from multitrack.errors import MetricKindError, MultitrackError, ParamChangedError, RunInUseError


def not_found(message: str) -> MlflowException:
    """Something that does not exist."""
    return MlflowException(message, RESOURCE_DOES_NOT_EXIST)


def exists(message: str) -> MlflowException:
    """Something that exists already."""
    return MlflowException(message, RESOURCE_ALREADY_EXISTS)


def invalid(message: str) -> MlflowException:
    """A wrong argument."""
    return MlflowException(message, INVALID_PARAMETER_VALUE)


def wrong_state(message: str) -> MlflowException:
    """Something whose state does not allow the call."""
    return MlflowException(message, INVALID_STATE)


def refusing(what: str) -> Callable[..., NoReturn]:
    """Make a method that says what this store does not keep."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise MlflowException(
            f"a multitrack journal does not keep {what}; give MLflow a store of its own for them, "
            "such as sqlite:///mlflow.db (docs/mlflow-store.md)",
            NOT_IMPLEMENTED,
        )

    return refuse


@contextmanager
def translated() -> Iterator[None]:
    """Turn multitrack's errors into MLflow's."""
    try:
        yield
    except (ParamChangedError, MetricKindError, TypeError, ValueError) as error:
        raise invalid(str(error)) from error
    except RunInUseError as error:
        raise wrong_state(f"{error}. One process writes a run; others can read it") from error
    except (MultitrackError, OSError) as error:
        raise MlflowException(str(error), INTERNAL_ERROR) from error
