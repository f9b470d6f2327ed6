"""Call a tracking store: a database in turns, and with MLflow's exceptions translated."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

from multitrack_mlflow import uris

#: Maximum number of calls in progress to one database. A courier that many processes share would otherwise make more of
#: them than MLflow's engine has connections, 15 by default. A call that holds one then waits for its second one, which
#: other waiting calls hold, until SQLAlchemy gives up after 30 s. SQLite writes one after the other in any case.
AT_ONCE: Final = 4
_turns: dict[str, threading.Semaphore] = {}
_lock: Final = threading.Lock()


@contextlib.contextmanager
def calling(uri: str, timeout: float) -> Iterator[None]:
    """Wait for a turn, if the store is a database, and translate exceptions from MLflow into the errors of a lane.

    Not to be nested: the inner one could wait for the outer one's turn.

    Args:
        uri: The tracking URI.
        timeout: Timeout of a request to a server, in seconds.
    """
    from multitrack_mlflow.errors import translated  # noqa: PLC0415 - a training process makes no call

    with _turn(uri), translated(uri, timeout):
        yield


def _turn(uri: str) -> contextlib.AbstractContextManager[object]:
    if not uris.is_sql(uri):
        return contextlib.nullcontext()
    with _lock:
        return _turns.setdefault(uri, threading.Semaphore(AT_ONCE))
