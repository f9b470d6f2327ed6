"""Send each request of a lane once, and check its response before MLflow's client interprets it.

MLflow's client retries silently for minutes, so that a ``create_run`` whose response was lost creates a second run. It
drops ``Retry-After`` and the status of a JSON error, and accepts a login page with status 200 as a successful upload.
This is changed only on a lane's own threads, since the training's MLflow may run in the same process.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import logging
import math
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from multitrack.errors import BackendError, DeniedError, PermanentError, RetryableError
from multitrack_mlflow import internals

log = logging.getLogger("multitrack")

_thread: Final = threading.local()


@contextlib.contextmanager
def looked_at(timeout: float, uri: str) -> Iterator[None]:
    """Send this thread's requests of MLflow's client once, with a timeout in seconds, and check their responses."""
    before = getattr(_thread, "timeout", None), getattr(_thread, "uri", None)
    _thread.timeout, _thread.uri = timeout, uri
    try:
        yield
    finally:
        _thread.timeout, _thread.uri = before


def install() -> bool:
    """Wrap the send function of MLflow's client. Return True if the installed release has it."""
    internals.replace(internals.ARTIFACTS, _own_uri)
    return internals.replace(internals.SEND, _once)


def limit_by_variables(timeout: float, *, alone: bool) -> None:
    """Turn MLflow's own retries off by its public variables, for a release whose send function cannot be wrapped.

    Responses are then not checked: ``Retry-After`` is ignored, and a web page may be accepted as a successful upload. A
    warning is logged once per process.

    Args:
        timeout: Timeout of a request, in seconds.
        alone: True if no other MLflow runs in this process; if False, no variable is set.
    """
    if alone:
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(math.ceil(timeout))
    _say_what_is_missing(alone)


@functools.cache
def _say_what_is_missing(alone: bool) -> None:
    import mlflow  # noqa: PLC0415 - the SDK is imported on first use

    log.warning(
        "multitrack: MLflow %s lacks %s, so its answers are not checked and Retry-After is ignored; %s",
        mlflow.__version__, ".".join(internals.SEND),
        "its own retries are off" if alone else "it may retry for minutes, unless MLFLOW_HTTP_REQUEST_MAX_RETRIES is 0",
    )  # fmt: skip


def hidden(error: BaseException | None) -> BackendError | None:
    """Return the error that :func:`_look` raised, from the causes of the exception of MLflow's client, or None."""
    while error is not None:
        if isinstance(error, BackendError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _own_uri(get_tracking_uri: Callable[[], str]) -> Callable[[], str]:
    @functools.wraps(get_tracking_uri)
    def tracking_uri() -> str:
        return getattr(_thread, "uri", None) or get_tracking_uri()

    return tracking_uri


def _once(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    def sent(
        method: str, url: str, max_retries: int, backoff_factor: float, backoff_jitter: float, retry_codes: Any,
        *rest: Any, **more: Any,
    ) -> Any:  # fmt: skip
        timeout = getattr(_thread, "timeout", None)
        if timeout is None:
            return send(method, url, max_retries, backoff_factor, backoff_jitter, retry_codes, *rest, **more)
        if "timeout" in more:  # MLflow's own timeout is global to the process
            more["timeout"] = timeout
        response = send(method, url, 0, backoff_factor, backoff_jitter, frozenset(), *rest, **more)
        _look(response)
        return response

    return sent


def _look(response: Any) -> None:
    status: int = response.status_code
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    what = f"HTTP {status} {response.reason or ''}".strip()
    if status in (401, 403):
        raise DeniedError(f"{what}: the server refuses {_credential()}")
    if status == 413:
        raise PermanentError(f"{what}: the request is too large for the server")
    if status in (408, 429) or (status >= 500 and status != 501):
        said = "" if kind == "text/html" else " ".join(response.text.split())[:300]
        raise RetryableError(f"{what}: {said}".rstrip(": "), after=_seconds(response.headers.get("retry-after")))
    if kind == "text/html" and (status < 400 or status == 404):
        raise RetryableError(f"{what}, but a web page: this is not an MLflow server")
    if status < 300 and kind == "application/json" and not _is_json(response.content):
        raise RetryableError(f"{what}, but invalid JSON: this is not an MLflow server")


def _credential() -> str:
    """Return the name of the variable with the credential that MLflow's client sends."""
    pair = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    if all(os.environ.get(name) for name in pair):
        return " and ".join(pair)
    if os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return "MLFLOW_TRACKING_TOKEN"
    return f"a client without credentials: set MLFLOW_TRACKING_TOKEN, or {' and '.join(pair)}"


def _seconds(text: str | None) -> float | None:
    """Parse a ``Retry-After`` header, a number or a date, into seconds; None if absent or invalid."""
    import email.utils  # noqa: PLC0415 - for the courier; the training process does not need it

    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    return max(0.0, (date - datetime.datetime.now(datetime.UTC)).total_seconds())


def _is_json(body: bytes) -> bool:
    import json  # noqa: PLC0415 - for the courier; the training process imports this module, too

    try:
        json.loads(body or b"{}")  # MLflow's client accepts an empty body, too
    except ValueError:
        return False
    return True
