"""The state of a journal's alerts: ``alerts.json`` in its directory, replaced atomically, and the lock of its writer.

The file has the alerts that fire, the time up to which records were evaluated, and the notifications to send. A process
writes down that a notification is to be sent before it sends it, and crosses it out afterwards. One that is killed in
between sends it again when it is started anew: a repeated message is better than none. The repetition has the same id.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from multitrack._record_parts import number_from_text, number_to_json
from multitrack.errors import JournalError
from multitrack.journal.atomic import write_json
from multitrack.journal.layout import cannot_read
from multitrack.journal.locks import Hold
from multitrack.journal.prepared import prepared

_NAME: Final = "alerts.json"
_LOCK: Final = "alerts.lock"

Stored = int | float | str | None
"""A number as in journals: NaN, ±inf and large integers as text."""


class StoredFiring(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alert that fires: its rule's text and filter, its group, and since when, with which value, in which run."""

    rule: str
    group: str
    since: int
    where: str | None = None
    value: Stored = None
    run: tuple[str, str] | None = None


class Notification(msgspec.Struct, omit_defaults=True):
    """A change of an alert that a notifier is to be told.

    Attributes:
        notifier: The notifier's name in the config.
        rule: The rule's text.
        where: The rule's filter.
        group: The group.
        firing: True if the alert fires, False if it is resolved.
        time: Time of the change (ms).
        since: Time at which the alert began to fire (ms).
        value: The value that made the change.
        run: Id and name of the run that made the change.
        reason: The reason of a resolution without a value.
        tries: Number of failed attempts.
    """

    notifier: str
    rule: str
    group: str
    firing: bool
    time: int
    since: int
    where: str | None = None
    value: Stored = None
    run: tuple[str, str] | None = None
    reason: str | None = None
    tries: int = 0


class State(msgspec.Struct, omit_defaults=True):
    """The contents of the file.

    Attributes:
        until: Time (ms) below which all records were evaluated.
        lookback: Milliseconds before ``until`` from which a process that starts anew needs the records, for windows.
        firing: The alerts that fire.
        unsent: The notifications to send, oldest first.
    """

    until: int
    firing: list[StoredFiring] = []
    lookback: int = 0
    unsent: list[Notification] = []


def read_state(journal: Path) -> State | None:
    """Read a journal's state; None if its alerts were never evaluated.

    Raises:
        JournalError: If the file cannot be read or is damaged; the message says how to begin anew.
    """
    path = journal / _NAME
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as file:
            return msgspec.json.decode(file.read(), type=prepared(State))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    except (ValueError, RecursionError) as error:
        raise JournalError(0, f"{path} is damaged ({error}): remove it, and alerts begin anew") from error


def write_state(journal: Path, state: State) -> None:
    """Replace a journal's state."""
    write_json(journal / _NAME, state)


def stored(value: float | None) -> Stored:
    """A value as the file has it."""
    return None if value is None else number_to_json(value)


def restored(value: Stored) -> int | float | None:
    """A value as it was before :func:`stored`; None for a text that is no number."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return number_from_text(value)
        return None
    return value


def state_lock(journal: Path) -> Hold:
    """The right to evaluate a journal's alerts, which one process has at a time; it ends with the process."""
    return Hold(journal / _LOCK)


def note_start(journal: Path, start: int) -> None:
    """Note from when on (ms) a journal's records count, unless its alerts were evaluated or noted before.

    A run does so before its first record: its courier may die before it looks, and the next one belongs to a later run.

    Raises:
        JournalError, OSError: If the state cannot be read or written.
    """
    if (journal / _NAME).exists():
        return
    lock = state_lock(journal)
    if lock.take():  # else a process evaluates, whose own run has noted its start
        try:
            if read_state(journal) is None:
                write_state(journal, State(start))
        finally:
            lock.release()
