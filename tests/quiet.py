"""The environment of processes that use trackers: nobody's settings, no telemetry, nothing but loopback."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "WANDB_ERROR_REPORTING": "false",
         "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}  # fmt: skip


def environment(root: Path, *sources: Path) -> dict[str, str]:
    """The environment of a process whose home and caches are in ``root``, with further folders of modules."""
    mine = ("MULTITRACK_", "WANDB_", "MLFLOW_", "NEPTUNE_", "TRACKIO_", "GOODSEED_", "HF_")
    home = root / "home"
    home.mkdir(exist_ok=True)
    folders = [*sources, ROOT / "src", *sorted(ROOT.glob("plugins/*/src"))]
    paths = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(mine) and "proxy" not in key.lower()},
        "PYTHONPATH": os.pathsep.join(paths), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"),
        "NETRC": str(home / ".netrc"), **QUIET, "WANDB_SILENT": "true", "WANDB_CONFIG_DIR": str(home / "wandb"),
        "WANDB_CACHE_DIR": str(home / "wandb-cache"), "WANDB_DATA_DIR": str(home / "wandb-data"),
    }  # fmt: skip
