"""The files for Grafana and Prometheus that are shipped with this backend."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
#: The Grafana dashboard of runs, for Grafana's "Import" page or a provisioned folder.
DASHBOARD: Final = _HERE / "runs.json"
#: The Grafana dashboard of deployments, with a row for each.
DEPLOYMENTS: Final = _HERE / "deployments.json"
#: Alerts, for ``rule_files`` of Prometheus' config.
RULES: Final = _HERE / "rules.yml"
