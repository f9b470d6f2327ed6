"""What Prometheus knows of a run, by the client's own parser or by a server's API, as the contract compares it."""

import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from multitrack.testing import NativePoint, NativeRun


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


def parsed(text: str) -> list[Sample]:
    """The samples of a page in the text format; each is there once."""
    found = [
        Sample(sample.name, {key: value for key, value in sample.labels.items() if value}, float(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert len({(sample.name, *sorted(sample.labels.items())) for sample in found}) == len(found)
    return found


def scraped(url: str) -> list[Sample]:
    """The samples of a served page."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return parsed(answer.read().decode())


def written(directory: Path) -> list[Sample]:
    """The samples of all files in a directory of node_exporter's textfile collector."""
    return [sample for path in sorted(directory.glob("*.prom")) for sample in parsed(path.read_bytes().decode())]


def of_run(samples: Iterable[Sample], backend_id: str) -> list[Sample]:
    """The samples of one run, without the labels that identify it."""
    run, _, journal = backend_id.partition("/")
    return [
        Sample(name, {key: value for key, value in labels.items() if key not in ("run", "journal")}, number)
        for name, labels, number in samples
        if (labels.get("run"), labels.get("journal")) == (run, journal)
    ]


def native(samples: Iterable[Sample], backend_id: str) -> NativeRun:
    """A run as the contract compares it; its tags are by their labels."""
    found = NativeRun()
    values: dict[tuple[str, str], float] = {}
    steps: dict[tuple[str, str], float] = {}
    for name, labels, value in of_run(samples, backend_id):
        match name:
            case "multitrack_run_info":
                found.name, found.status, found.parent = labels["name"], labels["status"], labels.get("parent")
                found.identity = {key: labels.get(key) for key in ("user", "host", "program")}
            case "multitrack_run_start_timestamp_seconds":
                found.started = round(value * 1000)
            case "multitrack_run_end_timestamp_seconds":
                found.ended = round(value * 1000)
            case "multitrack_metric":
                values[labels["kind"], labels["metric"]] = value
            case "multitrack_metric_step":
                steps[labels["kind"], labels["metric"]] = value
        found.tags |= {key: text for key, text in labels.items() if key.startswith("tag_")}
    for (kind, metric), value in values.items():
        if kind == "simple":
            found.metrics[metric] = value
        else:
            found.series[metric] = [NativePoint(int(steps[kind, metric]), value, None)]
    return found
