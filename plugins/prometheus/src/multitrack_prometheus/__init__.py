"""multitrack's backend for Prometheus: the last value of each metric, and whether a training still moves.

``prometheus_client`` is imported when the first run is opened, never by importing this module.
"""

from multitrack_prometheus.backend import PrometheusBackend
from multitrack_prometheus.dashboard import DASHBOARD
from multitrack_prometheus.options import PrometheusOptions

__all__ = ["DASHBOARD", "PrometheusBackend", "PrometheusOptions", "backend"]

backend = PrometheusBackend()
