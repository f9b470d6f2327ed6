"""Pass records to a backend's data hooks, and set aside those that are refused on their own."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from multitrack.delivery.lane_state import LaneState
from multitrack.delivery.notices import Notices
from multitrack.delivery.set_aside import count_reasons, keep_asides
from multitrack.environment import warned
from multitrack.errors import DeniedError, PluginError, RetryableError
from multitrack.hookspecs import RunInfo
from multitrack.plugins import Backend
from multitrack.records import (
    DATA,
    ArtifactRef,
    Compacted,
    Lines,
    ListMetric,
    Metric,
    ModelVersion,
    Params,
    Record,
    Tags,
)

#: Temporary errors of this machine: a full disk, out of file descriptors or memory.
PASSING: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}

DataHook = Callable[[RunInfo, Any], Sequence[str]]


def by_hook(backend: Backend, records: Sequence[Record]) -> Iterator[tuple[DataHook, list[Record]]]:
    """Yield each data hook with its records of a batch, in the order of the calls."""
    kinds: defaultdict[type[Record], list[Record]] = defaultdict(list)
    for record in records:
        kinds[type(record)].append(record)
    yield backend.log_params, kinds[Params]
    yield backend.log_metric, kinds[Metric]
    yield backend.log_list_metric, kinds[ListMetric]
    yield backend.log_artifact_ref, kinds[ArtifactRef]
    yield backend.log_lines, kinds[Lines]
    yield backend.set_tags, kinds[Tags]


def data_records(record: Record) -> int:
    """The number of data records that a record of the journal is, or stands for."""
    return record.records if type(record) is Compacted else isinstance(record, DATA)


def missing_of(records: Sequence[Record]) -> list[str]:
    """The sentence on records that were compacted before their backend could receive them; empty if there are none."""
    if any(type(record) is Compacted for record in records):
        return ["records that were compacted before they came here: none of them"]
    return []


class Handover:
    """Calls the data hooks for one lane.

    Args:
        directory: The run's directory.
        backend: The backend's name.
        notices: Reports refused records to the user.

    Attributes:
        refused: The reasons of this batch's refused records, by ordinal; not saved yet.
    """

    def __init__(self, directory: Path, backend: str, notices: Notices) -> None:
        self.refused: dict[int, str] = {}
        self._directory = directory
        self._backend = backend
        self._notices = notices

    def call(self, hook: DataHook, run: RunInfo, records: Sequence[Record]) -> list[str]:
        """Call a data hook; if it refuses a batch, retry record by record.

        Returns:
            The stand-ins that the hook reported.

        Raises:
            RetryableError, DeniedError, PluginError: As raised by the hook.
            OSError: If the error is temporary (see :data:`PASSING`).
            Warning: If the training's filters turned a warning into an error; the lane retries.
        """
        try:
            return list(hook(run, records))
        except (RetryableError, DeniedError, PluginError):
            raise
        except Exception as error:  # any error of a backend is kept as the reason
            if warned.by_filters(error) or (isinstance(error, OSError) and error.errno in PASSING):
                raise
            if len(records) > 1:
                return [text for record in records for text in self.call(hook, run, [record])]
            self.refused[records[0].ordinal] = self._notices.worded(error)
            return []

    def register(self, backend: Backend, run: RunInfo, models: Sequence[ModelVersion]) -> list[str]:
        """Call the hook ``register_models``; a registry that refuses does not keep the run open.

        Returns:
            The sentences of the hook, or why it refused.

        Raises:
            RetryableError, DeniedError, PluginError, OSError, Warning: As :meth:`call`.
        """
        try:
            return list(backend.register_models(run, models))
        except (RetryableError, DeniedError, PluginError):
            raise
        except Exception as error:
            if warned.by_filters(error) or (isinstance(error, OSError) and error.errno in PASSING):
                raise
            named = ", ".join(f"{model.name} {model.version}" for model in models)
            sentence = f"not registered: {named}: {self._notices.worded(error)}"
            self._notices.say(sentence)
            return [sentence]

    def keep(self, state: LaneState) -> None:
        """Save the refused records, count them in ``state``, and notify the user."""
        if not self.refused:
            return
        keep_asides(self._directory, self._backend, self.refused)
        state.set_aside += len(self.refused)
        state.reasons = count_reasons(self.refused.values(), state.reasons)
        first = next(iter(self.refused.values()))
        self._notices.say(f"{len(self.refused)} records set aside: {first} (kept in the journal)")
        self.refused = {}
