"""Write to one MLflow run while its lane is open, in batches of MLflow's size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from multitrack.records import ArtifactRef
from multitrack_mlflow.errors import is_changed_param
from multitrack_mlflow.line_files import LineFiles, pointer
from multitrack_mlflow.names import native_name
from multitrack_mlflow.progress import Kind, Place, Sent
from multitrack_mlflow.uploads import Uploads
from multitrack_mlflow.values import PARAM_LENGTH, TAG_LENGTH, ExactNumbers

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

#: Maximum number of metrics, and of tags or params, per request (mlflow/utils/validation.py).
METRICS_A_BATCH: Final = 1000
OTHERS_A_BATCH: Final = 100
#: Maximum characters of a dataset's digest (mlflow/utils/validation.py).
LONGEST_DIGEST: Final = 36

#: The tool's and the algorithm's name in front of a version, and a hash without more.
_TOOL: Final = re.compile(r"^(?:[a-z0-9]{1,9}:){0,2}")
_HASH: Final = re.compile(r"[0-9a-f]{32,}(?:\.dir)?")


class MlflowRun:
    """A run in MLflow.

    Args:
        client: The client of its store.
        native_id: MLflow's id of the run.
        uri: The tracking URI, for messages.
        experiment: MLflow's id of its experiment.
        sent: The points that MLflow has accepted.
    """

    def __init__(self, client: MlflowClient, native_id: str, uri: str, experiment: str, sent: Sent) -> None:
        self.client = client
        self.id = native_id
        self.uri = uri
        self.experiment = experiment
        self.lines = LineFiles(client, native_id)
        self.uploads = Uploads(client, native_id)
        self._sent = sent
        self._named: set[str] = set()  # changed names whose tag is set

    def name(self, name: str) -> str:
        """Return the name in MLflow. At its first use, the full form of a changed name is set as a tag."""
        changed = native_name(name)
        if changed != name and name not in self._named:
            self.set_tags({f"multitrack.name.{changed}": name})
            self._named.add(name)
        return changed

    def set_tags(self, tags: dict[str, str]) -> list[str]:
        """Set tags whose names are already valid in MLflow; too long values become artifacts."""
        from mlflow.entities import RunTag  # noqa: PLC0415 - the SDK is imported on first use

        stand_ins = []
        for key, value in tags.items():
            if len(value) > TAG_LENGTH:
                path = f"tags/{key}.txt"
                self.client.log_text(self.id, value, path)
                tags[key] = pointer(path, value)
                stand_ins.append(f"tag {key}: {len(value)} characters, kept as artifact {path}")
        for some in _batches([RunTag(*item) for item in tags.items()], OTHERS_A_BATCH):
            self.client.log_batch(self.id, tags=some, synchronous=True)
        return stand_ins

    def shortened(self, key: str, text: str, whole: str | None) -> tuple[str, list[str]]:
        """Return a param's text, or a stand-in if it is too long, and the report's stand-in messages.

        Args:
            key: The param's key.
            text: The param's text.
            whole: The whole text of an object, of which ``text`` is the beginning; else None.
        """
        path = f"params/{native_name(key)}.txt"
        if whole is not None:
            self.client.log_text(self.id, whole, path)
            return text, [f"param {key}: an object of {len(whole)} characters, kept as artifact {path}"]
        if len(text) <= PARAM_LENGTH:
            return text, []
        self.client.log_text(self.id, text, path)
        return pointer(path, text), [f"param {key}: {len(text)} characters, kept as artifact {path}"]

    def log_params(self, params: dict[str, str]) -> list[str]:
        """Set params whose keys and texts are already valid in MLflow; those with another value there become tags."""
        from mlflow.entities import Param  # noqa: PLC0415 - the SDK is imported on first use

        stand_ins: list[str] = []
        for some in _batches([Param(*item) for item in params.items()], OTHERS_A_BATCH):
            try:
                self.client.log_batch(self.id, params=some, synchronous=True)
            except Exception as error:
                if not is_changed_param(error):
                    raise
                stand_ins += self._log_singly(some)
        return stand_ins

    def _log_singly(self, params: Iterable[Any]) -> list[str]:
        """Set the params of a rejected batch, which MLflow rolls back whole, one by one; rejected ones become tags."""
        stand_ins = []
        for param in params:
            try:
                self.client.log_param(self.id, param.key, param.value)
            except Exception as error:
                if not is_changed_param(error):
                    raise
                tag = f"multitrack.param.{param.key}"
                self.set_tags({tag: param.value})
                stand_ins.append(f"param {param.key}: MLflow has another value (of autologging?), ours is tag {tag}")
        return stand_ins

    def log_points(self, kind: Kind, points: list[tuple[Place, Metric]], exact: ExactNumbers) -> list[str]:
        """Write the points that MLflow has not accepted yet, and the stand-ins for numbers that are not doubles."""
        new = [each for each in points if not self._sent.holds(kind, each[0])]
        for some in _batches(new, METRICS_A_BATCH):
            try:
                self.client.log_batch(self.id, metrics=[point for _, point in some], synchronous=True)
            except Exception:
                self._sent.stop()
                raise
            self._sent.note(kind, some[-1][0])
        if exact.tags:
            self.set_tags(exact.tags)
        return sorted(exact.stand_ins)

    def log_input(self, record: ArtifactRef) -> None:
        """Log an input as an MLflow dataset."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 - the SDK is imported on first use

        source = {"uri": record.uri} if record.version is None else {"uri": record.uri, "version": record.version}
        dataset = Dataset(
            name=record.name[:500], digest=dataset_digest(record), source_type=urlsplit(record.uri).scheme or "local",
            source=json.dumps(source, ensure_ascii=False),
        )  # fmt: skip
        tag = InputTag("mlflow.data.context", record.kind[:255])
        self.client.log_inputs(self.id, [DatasetInput(dataset, [tag])])


def dataset_digest(record: ArtifactRef) -> str:
    """Return the digest of a dataset, by which and by its name MLflow tells datasets apart; the tag has it in full.

    It is the version if there is one. Of a long one, the tool's name is left out, and the rest ends in a hash if it is
    cut where versions may differ.
    """
    text = record.version
    if text is None:
        return (record.digest or record.uri).partition(":")[2][:LONGEST_DIGEST] or record.uri[:LONGEST_DIGEST]
    if len(text) <= LONGEST_DIGEST:
        return text
    short = _TOOL.sub("", text)
    if _HASH.fullmatch(short):
        return short[:LONGEST_DIGEST]
    import hashlib  # noqa: PLC0415 - OpenSSL takes 2 ms, and digests are seldom too long

    return f"{short[: LONGEST_DIGEST - 13]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
