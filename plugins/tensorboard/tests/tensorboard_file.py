"""A run's event files, by TensorBoard's own reader, as the contract compares it."""

import datetime
import json
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack_tensorboard import decode_lines, decode_table, exact_number, name_of


def accumulated(place: Path) -> EventAccumulator:
    """Everything that TensorBoard reads in a run's directory."""
    return EventAccumulator(str(place), size_guidance={"tensors": 0}).Reload()


def find_place(logdir: Path, run_id: str) -> Path:
    """The one directory of a run."""
    found = {
        file.parent
        for file in logdir.rglob("*tfevents*")
        if dict(table(accumulated(file.parent), "multitrack/run")).get("run id") == run_id
    }
    assert len(found) == 1, found
    return found.pop()


def table(events: EventAccumulator, tag: str) -> list[list[str]]:
    """The rows of all tables of a tag, in their order."""
    if tag not in events.Tags()["tensors"]:
        return []
    return [row for event in events.Tensors(tag) for row in decode_table(event.tensor_proto)]


def read_run(place: Path) -> NativeRun:
    """A run's directory as the contract compares it."""
    events = accumulated(place)
    facts, end = dict(table(events, "multitrack/run")), dict(table(events, "multitrack/end"))
    native = NativeRun(
        name=facts["name"], status=end.get("status", "running"), parent=facts.get("parent"),
        started=ms(facts["started"]), ended=ms(end["ended"]) if end else None,
        identity={"user": facts.get("user"), "host": facts.get("host"), "program": facts.get("program")},
    )  # fmt: skip
    for tag in events.Tags()["tensors"]:
        if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            _add_series(native, tag, events)
    native.params = {key: json.loads(value) for key, value in table(events, "multitrack/params")}
    native.tags = dict(table(events, "multitrack/tags"))
    native.artifacts = {name: ref["uri"] for name, ref in artifacts(events).items()}
    native.references = {
        name: NativeReference(
            ref["kind"],
            ref["role"],
            ref.get("digest"),
            int(ref["size"]) if ref.get("size") else None,
            ref.get("version"),
        )
        for name, ref in artifacts(events).items()
    }
    native.lines = lines(events)
    return native


def _add_series(native: NativeRun, tag: str, events: EventAccumulator) -> None:
    points = [
        NativePoint(event.step, exact_number(event.tensor_proto), round(event.wall_time * 1000))
        for event in events.Tensors(tag)
    ]
    name = name_of(tag)
    assert name is not None
    if tag.startswith("summary/"):
        assert [point.step for point in points] == list(range(len(points)))
        native.metrics[name] = points[-1].value
    else:
        native.series[name] = points


def artifacts(events: EventAccumulator) -> dict[str, dict[str, str]]:
    """The last reference of each name."""
    if "multitrack/artifacts" not in events.Tags()["tensors"]:
        return {}
    refs = [dict(decode_table(event.tensor_proto)) for event in events.Tensors("multitrack/artifacts")]
    return {ref["name"]: ref for ref in refs}


def lines(events: EventAccumulator) -> list[str]:
    """The lines of all streams in their order, by the numbers of their first lines."""
    found: list[tuple[int, list[str]]] = [
        (event.step, decode_lines(event.tensor_proto.string_val[0]))
        for tag in events.Tags()["tensors"]
        if tag.startswith("multitrack/lines/")
        for event in events.Tensors(tag)
    ]
    joined: list[str] = []
    for first, some in sorted(found):
        assert first == len(joined)
        joined += some
    return joined


def hparams_of(place: Path) -> dict[str, Any]:
    """The params that the HParams tab holds of a run."""
    from tensorboard.plugins.hparams import metadata

    content = accumulated(place).PluginTagToContent("hparams")[metadata.SESSION_START_INFO_TAG]
    info = metadata.parse_session_start_info_plugin_data(content)
    return {key: getattr(value, value.WhichOneof("kind")) for key, value in info.hparams.items()}


def ms(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    return (moment - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(milliseconds=1)
