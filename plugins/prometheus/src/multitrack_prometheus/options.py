"""The ``[prometheus]`` table of the config."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from multitrack.config import PathOption
from multitrack_prometheus.labels import label_of_tag

#: Bounds of buckets if the option ``histograms`` names a metric without bounds: for seconds, from 1 ms to 10 s.
BOUNDS: Final = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
#: Maximum number of bounds; each is a time series for each run.
MOST_BOUNDS: Final = 50


class PrometheusOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the Prometheus backend.

    Attributes:
        mode: ``serve``: the courier serves the values over HTTP; ``textfile``: it writes a file for each run, for
            node_exporter; ``push``: it pushes the values of a run to a Pushgateway at the run's end, and deletes them
            there.
        host: Address to serve at.
        port: Port to serve at. If it is taken, by another training's courier, the next free one of 16; 0: any.
        directory: Directory of node_exporter's textfile collector.
        gateway: URL of the Pushgateway.
        tags: Keys of the tags that become labels, beside ``deployment``.
        histograms: Names of simple and list metrics that get buckets, or a table with the bounds for each.
        max_metrics: Maximum number of metrics of a run, and of its list metrics.
        max_runs: Maximum number of runs shown by a courier, or in a directory.
        hold: Maximum seconds that a run's end waits for Prometheus, below the 30 s after which the end of a run stops
            waiting for a backend.
    """

    mode: Literal["serve", "textfile", "push"] = "serve"
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 9470
    directory: PathOption | None = None
    gateway: str | None = None
    tags: list[str] = []
    histograms: list[str] | dict[str, list[float]] = msgspec.field(default_factory=lambda: ["latency"])
    max_metrics: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    max_runs: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    hold: Annotated[float, msgspec.Meta(ge=0, le=25)] = 20.0

    def __post_init__(self) -> None:
        if self.mode == "textfile" and self.directory is None:
            raise ValueError(
                "mode = 'textfile' needs directory, that of node_exporter's --collector.textfile.directory"
            )
        if self.mode == "push":
            self._check_gateway()
        labels: dict[str, str] = {}
        for tag in self.labelled:
            label = label_of_tag(tag)
            if labels.setdefault(label, tag) != tag:
                raise ValueError(f"the tags {labels[label]!r} and {tag!r} both become the label {label}")
        for name, bounds in self.bounds.items():
            rising = all(low < high for low, high in itertools.pairwise(bounds))
            if not rising or not 1 <= len(bounds) <= MOST_BOUNDS or not all(map(math.isfinite, bounds)):
                raise ValueError(f"the bounds of {name!r} in histograms must be 1 to {MOST_BOUNDS} rising numbers")

    @property
    def labelled(self) -> list[str]:
        """Keys of all tags that become labels."""
        return ["deployment", *(tag for tag in self.tags if tag != "deployment")]

    @property
    def bounds(self) -> dict[str, list[float]]:
        """The bounds of the buckets of each metric that has some."""
        return self.histograms if isinstance(self.histograms, dict) else dict.fromkeys(self.histograms, BOUNDS)

    def _check_gateway(self) -> None:
        if self.gateway is None:
            raise ValueError("mode = 'push' needs gateway, the Pushgateway's URL")
        parts = urlsplit(self.gateway)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("invalid value for gateway (expected a URL, such as 'http://pushgateway:9091')")
        if parts.username is not None or parts.password is not None:
            raise ValueError("gateway must not contain credentials")
