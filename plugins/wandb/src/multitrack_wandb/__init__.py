"""Delivers multitrack's journal to W&B. The SDK is imported by the courier, on the first run it opens."""

from multitrack_wandb.backend import WandbBackend, backend
from multitrack_wandb.options import WandbOptions

__all__ = ["WandbBackend", "WandbOptions", "backend"]
