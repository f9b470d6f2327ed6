"""multitrack's backend for W&B. The courier imports the SDK when it opens its first run."""

from multitrack_wandb.backend import WandbBackend, backend
from multitrack_wandb.options import WandbOptions

__all__ = ["WandbBackend", "WandbOptions", "backend"]
