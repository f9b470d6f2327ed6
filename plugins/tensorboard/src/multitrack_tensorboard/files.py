"""The event files of one run.

TensorBoard reads a directory's files in the order of their names, and keeps the first metadata of each tag:

====================================  =================================================================================
``events.out.tfevents.1.run``         name, relations and origin; replaced when the run is opened
``events.out.tfevents.2.hparams``     the params, for the HParams tab; replaced whenever there are more
``events.out.tfevents.3.records``     everything else, in the order of the journal; only appended to
``events.out.tfevents.4.end``         status and end time; exists while the run has ended
====================================  =================================================================================

After each batch, the file of records is synchronized to disk, and then its size is noted with the position. The next
batch is written at that size, over anything that a killed courier left behind it, torn or whole. If the run was resumed
since, or if the note or the file is lost, the file is written again from the journal's start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from multitrack.hookspecs import RunInfo
from multitrack.records import Status
from multitrack_tensorboard import event_file, hparams, tags
from multitrack_tensorboard.events import Encoder
from multitrack_tensorboard.hparams import HParam
from multitrack_tensorboard.identity import described, utc
from multitrack_tensorboard.internals import Sdk
from multitrack_tensorboard.note import note_of, save_note
from multitrack_tensorboard.place import ancestors_of, take_place

_PREFIX: Final = "events.out.tfevents"
RUN_FILE: Final = f"{_PREFIX}.1.run"
HPARAMS_FILE: Final = f"{_PREFIX}.2.hparams"
RECORDS_FILE: Final = f"{_PREFIX}.3.records"
END_FILE: Final = f"{_PREFIX}.4.end"


class RunFiles:
    """The event files of one run that is open. Not thread-safe.

    Args:
        run: The run.
        sdk: TensorBoard's classes.

    Attributes:
        name: The run's name in TensorBoard: its directory, relative to the log directory.
        path: That directory.
        position: The ordinal to resume at.

    Raises:
        BackendError: No directory is free for the run.
        OSError: A file cannot be written.
    """

    def __init__(self, run: RunInfo, sdk: Sdk) -> None:
        self._run = run
        self._sdk = sdk
        self._encoder = Encoder(sdk)
        self._header = self._encoder.header(run.created)
        self._pending: dict[int, bytes] = {}  # by ordinal: a batch may come again after a full disk
        self.name, note = take_place(run, note_of(run.directory))
        self.path = Path(run.options.directory) / self.name
        self._records = self.path / RECORDS_FILE
        if note.segment != run.segment or not self._holds(note.offset):
            note = msgspec.structs.replace(note, segment=run.segment, position=0, offset=0, hparams={})
            self._records.touch()
            note = msgspec.structs.replace(note, offset=event_file.append(self._records, 0, self._header))
        self._note = note
        self._hparams: dict[str, HParam] = dict(note.hparams)
        self.position = note.position
        save_note(run.directory, note)
        (self.path / END_FILE).unlink(missing_ok=True)
        self._write_identity()
        self._write_hparams()

    def add(self, ordinal: int, data: bytes) -> None:
        """Add the events of a record, which ``flush`` writes."""
        self._pending[ordinal] = data

    def add_hparams(self, params: dict[str, HParam]) -> None:
        """Add params for the HParams tab, which ``flush`` writes."""
        self._hparams.update(params)

    def flush(self, position: int) -> None:
        """Write everything that was added, in the order of the journal, and note the position.

        Raises:
            OSError: A file cannot be written. A later call writes everything again.
        """
        data = b"".join(self._pending[ordinal] for ordinal in sorted(self._pending))
        offset = event_file.append(self._records, self._note.offset, data)
        if self._hparams != self._note.hparams:
            self._write_hparams()
        note = msgspec.structs.replace(self._note, position=position, offset=offset, hparams=dict(self._hparams))
        save_note(self._run.directory, note)
        self._note = note
        self._pending.clear()

    def end(self, status: Status, time: int) -> None:
        """Write the run's status and end time.

        Raises:
            OSError: The file cannot be written.
        """
        rows = (("status", status), ("ended", utc(time)))
        data = self._header + self._encoder.table(tags.END, rows, time)
        if self._sdk.HParamsPluginData is not None:
            content = hparams.session_end(self._sdk.HParamsPluginData, status, time)
            data += self._encoder.plugin_data(hparams.END, hparams.PLUGIN, content, time)
        event_file.replace(self.path / END_FILE, data)

    def _holds(self, offset: int) -> bool:
        """Return True if the file of records has at least this size; 0 means that there is none."""
        try:
            return 0 < offset <= self._records.stat().st_size
        except FileNotFoundError:
            return False

    def _write_identity(self) -> None:
        rows = [(key, text) for key, text in described(self._run).items() if text is not None]
        data = self._header + self._encoder.table(tags.RUN, rows, self._run.created)
        event_file.replace(self.path / RUN_FILE, data)

    def _write_hparams(self) -> None:
        """Write the params for the HParams tab, unless children have some: the tab shows trials, not their search."""
        if not self._hparams or self._sdk.HParamsPluginData is None or self._children_have_hparams():
            return
        created = self._run.created
        above, _, own = self.name.rpartition("/")
        group = f"{own} in {above}"  # the tab's table shows the beginning only
        content = hparams.session_start(self._sdk.HParamsPluginData, self._hparams, group, created)
        data = self._header + self._encoder.plugin_data(hparams.START, hparams.PLUGIN, content, created)
        event_file.replace(self.path / HPARAMS_FILE, data)
        # A child may do the same at this moment. Each writes first and then looks, so one of them sees the other.
        for ancestor in ancestors_of(self.path, Path(self._run.options.directory)):
            (ancestor / HPARAMS_FILE).unlink(missing_ok=True)
        if self._children_have_hparams():
            (self.path / HPARAMS_FILE).unlink(missing_ok=True)

    def _children_have_hparams(self) -> bool:
        return any(path.parent != self.path for path in self.path.rglob(HPARAMS_FILE))
