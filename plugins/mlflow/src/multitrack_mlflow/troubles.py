"""Which of MLflow's exceptions may pass and which will not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from multitrack.errors import BackendError, PermanentError, RetryableError

_PERMANENT: Final = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "NOT_IMPLEMENTED",
     "RESOURCE_ALREADY_EXISTS", "ENDPOINT_NOT_FOUND"}
)  # fmt: skip
_CREDENTIALS: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED"})


@contextlib.contextmanager
def translated(uri: str, *, opening: bool = False) -> Iterator[None]:
    """Turn what MLflow raises into retryable and permanent errors.

    A refused credential stops a lane that opens; later it is retried, so that no record is set aside for it.
    """
    try:
        yield
    except BackendError:
        raise
    except Exception as error:
        code = getattr(error, "error_code", None)
        text = str(error).strip().splitlines()[0][:500] if str(error).strip() else type(error).__name__
        if code in _CREDENTIALS or " 401 " in text or " 403 " in text:
            text = (
                f"{uri} refuses the credentials of MLFLOW_TRACKING_USERNAME/PASSWORD or MLFLOW_TRACKING_TOKEN ({text})"
            )
            raise (PermanentError(text) if opening else RetryableError(text)) from error
        if code in _PERMANENT:
            raise PermanentError(text) from error
        if type(error).__name__ == "MlflowException" or _is_connection(error):
            raise RetryableError(text) from error
        raise


def _is_connection(error: Exception) -> bool:
    """Whether the error is one of the transport or the database, which may pass."""
    origins = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    return isinstance(error, OSError) or bool(origins & {"requests", "urllib3", "sqlalchemy", "sqlite3"}) or (
        type(error).__name__ == "RestException"
    )  # fmt: skip


def is_changed_param(error: Exception) -> bool:
    """Whether a batch was refused because a param already has another value in MLflow."""
    return "Changing param values is not allowed" in str(error)
