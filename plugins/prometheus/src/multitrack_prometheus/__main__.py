"""``python -m multitrack_prometheus``: print the Grafana dashboard."""

import sys

from multitrack_prometheus.dashboard import DASHBOARD

sys.stdout.write(DASHBOARD.read_text(encoding="utf-8"))
