"""``multitrack.mirror()``: calls of trackers' SDKs in this process also reach every configured backend."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from multitrack.config import switched_off
from multitrack.environment.forks import without_fork
from multitrack.errors import ConfigError
from multitrack.mirroring import observer
from multitrack.mirroring.session import Outcome, Session

log = logging.getLogger("multitrack")

#: The sessions of this process, of which the last one may run. They live as long as it does: the follower goes on until
#: their pipes are closed.
_sessions: list[Session] = []
#: The one observer of this process, which notes for the session that runs.
_observer: observer.Observer | None = None


def mirror(*trackers: str, backends: Sequence[str] | None = None) -> Session:
    """Record the runs that this program logs with trackers' own SDKs.

    From now on, each run that the program starts with one of these SDKs becomes a run of the journal, under the id that
    the tracker gave it, and is delivered to the configured backends. The SDKs are not changed and not waited for:
    another process reads what they write, while the program runs and once more when it has ended.

    A process has one session at a time, for all of its threads and the processes that it forks. A call while one runs
    returns it, and observes further trackers. After ``finish``, a call begins the next one. Under ``multitrack exec``,
    the command records the runs, and the returned session has none.

    Args:
        trackers: ``wandb``, ``mlflow``, ``neptune``, ``tensorboard``; default: all.
        backends: Names of backends to deliver to, also those that the program itself logs to. Default: those of the
            config, without the tracker that a run comes from.

    Returns:
        The session; ``finish(seconds)`` waits until the runs are in the journal, after the program's last call.

    Raises:
        ConfigError: If a tracker cannot be mirrored, or the session that runs delivers to other backends.
        MultitrackError: If a backend cannot be loaded.
    """
    session = Session(trackers, backends=backends)
    if switched_off():
        return session
    with without_fork:  # calls in other threads wait as well
        if (outer := observer.installed()) is not None:
            outer.add(session.trackers)
            if backends is not None:
                log.warning("multitrack: mirror(backends=…) does nothing under `multitrack exec`: use its option --to")
            return session
        if _sessions and _sessions[-1].is_running:
            return _joined(_sessions[-1], session)
        return _begun(session)


def _joined(running: Session, asked: Session) -> Session:
    """The session that runs, with further trackers."""
    if asked.backends is not None and asked.backends != running.backends:
        where = "those of the config" if running.backends is None else ", ".join(running.backends)
        raise ConfigError(f"this process is mirrored to other backends ({where}): call finish() of that session first")
    running.trackers += [name for name in asked.trackers if name not in running.trackers]
    if _observer is not None:
        _observer.add(running.trackers)
    return running


def _begun(session: Session) -> Session:
    """Start a session, and observe for it."""
    global _observer
    try:
        session.start()
    except OSError as error:
        log.warning("multitrack: nothing is mirrored: %s", error)
        session.outcome = Outcome([], [f"nothing was mirrored: {error}"])
        return session
    if _observer is None:
        _observer = observer.install(str(session.notes), session.trackers)
    else:
        _observer.add(session.trackers)
        _observer.follow(str(session.notes))
    _sessions.append(session)
    if (trouble := session.find_trouble()) is not None:  # the program may never ask for the outcome
        log.warning("multitrack: not everything will be mirrored: %s", trouble)
    return session
