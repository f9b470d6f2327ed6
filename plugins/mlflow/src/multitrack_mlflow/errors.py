"""Classify MLflow's exceptions: retryable, permanent, or denied."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from multitrack.errors import BackendError, DeniedError, PermanentError, RetryableError
from multitrack_mlflow.transport import hidden, looked_at

_PERMANENT: Final = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "NOT_IMPLEMENTED",
     "RESOURCE_ALREADY_EXISTS", "ENDPOINT_NOT_FOUND"}
)  # fmt: skip
#: Messages of SQLite and MLflow about a store that no retry can open.
_LASTING: Final = (
    "Reading Databricks credential configuration failed",
    "unable to open database file", "file is not a database", "readonly database", "out-of-date database schema",
)  # fmt: skip
#: Errors on creating a file that no retry can fix.
_NO_PLACE: Final = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG,
}  # fmt: skip
#: SQLAlchemy's message if all connections of an engine were in use for 30 s, here or in the server's process. MLflow
#: reports it as a wrong request.
_BUSY: Final = "QueuePool limit of size"
_CREDENTIALS: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED"})


@contextlib.contextmanager
def translated(uri: str, timeout: float) -> Iterator[None]:
    """Translate exceptions from MLflow into the errors of a lane.

    Args:
        uri: The tracking URI.
        timeout: Timeout of a request to a server, in seconds.
    """
    try:
        with looked_at(timeout, uri):
            yield
    except BackendError:
        raise
    except Exception as error:
        seen = hidden(error)
        if seen is not None:
            raise _at(uri, seen) from error
        code = getattr(error, "error_code", None)
        text = _without_credentials(str(error).strip() or type(error).__name__, uri).splitlines()[0][:500]
        if code in _CREDENTIALS:
            raise DeniedError(text) from error
        if any(words in str(error) for words in _LASTING) or _is_lasting(error, uri):
            raise DeniedError(f"{_without_credentials(uri, uri)}: {_told(error)}") from error
        if code in _PERMANENT and _BUSY not in str(error):
            raise PermanentError(text) from error
        if type(error).__name__ == "MlflowException" or _is_connection(error):
            raise RetryableError(text) from error
        raise


def _is_lasting(error: Exception, uri: str) -> bool:
    """Return True if a driver or package is missing, or the file of a local store cannot be created."""
    if isinstance(error, ImportError) or type(error).__name__ == "NoSuchModuleError":
        return True
    return isinstance(error, OSError) and error.errno in _NO_PLACE and uri.startswith("sqlite")


def _told(error: Exception) -> str:
    """Return the database's message, without SQLAlchemy's link to its error page."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0][:500]


def _at(uri: str, seen: BackendError) -> BackendError:
    """Return the same error, with the URI in front of its message."""
    text = f"{_without_credentials(uri, uri)}: {seen}"
    if isinstance(seen, RetryableError):
        return RetryableError(text, after=seen.after)
    return type(seen)(text)


def _without_credentials(text: str, uri: str) -> str:
    """Remove the URI's user and password from a text that goes to stderr and to the lane's state."""
    user, at, _ = urlsplit(uri).netloc.rpartition("@")
    return text.replace(user + at, "") if user else text


def _is_connection(error: Exception) -> bool:
    """Return True if the error comes from the transport or the database, and may be retried."""
    origins = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    return isinstance(error, OSError) or bool(origins & {"requests", "urllib3", "sqlalchemy", "sqlite3"}) or (
        type(error).__name__ == "RestException"
    )  # fmt: skip


def is_changed_param(error: Exception) -> bool:
    """Return True if a batch was rejected because a param already has another value in MLflow."""
    return "Changing param values is not allowed" in str(error)
