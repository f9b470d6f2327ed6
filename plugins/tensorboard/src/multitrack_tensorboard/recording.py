"""One run that is being written: records in, events out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from multitrack.hookspecs import RunInfo
from multitrack.plugins.figures import load_figure
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags
from multitrack_tensorboard.events import Encoder
from multitrack_tensorboard.files import RunFiles
from multitrack_tensorboard.hparams import hparams_of
from multitrack_tensorboard.internals import load_sdk

#: The formats of figures that TensorBoard shows.
SHOWN: Final = ("png", "jpeg", "gif")


class Recording:
    """Encodes a run's records. Not thread-safe.

    Args:
        run: The run.

    Attributes:
        files: The run's event files.
    """

    def __init__(self, run: RunInfo) -> None:
        sdk = load_sdk()
        self._options = run.options
        self._encoder = Encoder(sdk)
        self.files = RunFiles(run, sdk)

    def log_params(self, records: Sequence[Params]) -> list[str]:
        """Add params to the Text and HParams tabs; return a sentence for each that the HParams tab cannot hold."""
        stand_ins = []
        for record in records:
            self.files.add(record.ordinal, self._encoder.params(record))
            params, problems = hparams_of(record)
            self.files.add_hparams(params)
            stand_ins += problems
        return stand_ins

    def log_metric(self, records: Sequence[Metric]) -> list[str]:
        """Add points and simple metrics; return a sentence for each number that TensorBoard cannot draw."""
        stand_ins = []
        for record in records:
            data, problems = self._encoder.metric(record)
            self.files.add(record.ordinal, data)
            stand_ins += problems
        return stand_ins

    def log_list_metric(self, records: Sequence[ListMetric]) -> list[str]:
        """Add values of lists; return a sentence for each number that TensorBoard cannot draw."""
        stand_ins = []
        for record in records:
            data, problems = self._encoder.list_metric(record)
            self.files.add(record.ordinal, data)
            stand_ins += problems
        return stand_ins

    def log_artifact_ref(self, records: Sequence[ArtifactRef]) -> list[str]:
        """Add references, and images of figures; return a sentence for each figure that cannot be shown."""
        stand_ins = []
        for record in records:
            figure, problem = load_figure(record, self._options, "TensorBoard", SHOWN)
            self.files.add(record.ordinal, self._encoder.artifact(record, figure))
            if problem is not None:
                stand_ins.append(problem)
        return stand_ins

    def log_lines(self, records: Sequence[Lines]) -> None:
        """Add lines."""
        for record in records:
            self.files.add(record.ordinal, self._encoder.lines(record))

    def set_tags(self, records: Sequence[Tags]) -> None:
        """Add tags."""
        for record in records:
            self.files.add(record.ordinal, self._encoder.set_tags(record))
