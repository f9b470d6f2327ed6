"""``python -m multitrack_prometheus [runs|deployments|rules]``: print a Grafana dashboard or the alert rules."""

import argparse
import sys

from multitrack_prometheus.shipped import DASHBOARD, DEPLOYMENTS, RULES

_FILES = {"runs": DASHBOARD, "deployments": DEPLOYMENTS, "rules": RULES}
_parser = argparse.ArgumentParser(prog="python -m multitrack_prometheus", description="Print a file of this package.")
_parser.add_argument("file", nargs="?", choices=_FILES, default="runs", help="dashboards of Grafana, or alert rules")
sys.stdout.write(_FILES[_parser.parse_args().file].read_text(encoding="utf-8"))
