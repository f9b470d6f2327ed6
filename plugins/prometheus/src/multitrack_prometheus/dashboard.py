"""The Grafana dashboard that is shipped with this backend."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Path of the dashboard as JSON, for Grafana's "Import" page or a provisioned folder.
DASHBOARD: Final = Path(__file__).with_name("dashboard.json")
