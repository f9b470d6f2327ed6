"""multitrack's backend for Prometheus: whether runs still move, their last values, and the values of served models.

``prometheus_client`` is imported when the first run is opened, never by importing this module.
"""

from multitrack_prometheus.backend import PrometheusBackend
from multitrack_prometheus.options import PrometheusOptions
from multitrack_prometheus.shipped import DASHBOARD, DEPLOYMENTS, RULES

__all__ = ["DASHBOARD", "DEPLOYMENTS", "RULES", "PrometheusBackend", "PrometheusOptions", "backend"]

backend = PrometheusBackend()
