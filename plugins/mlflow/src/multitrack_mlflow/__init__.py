"""multitrack's backend for MLflow: SQLite and other SQL stores, and MLflow servers.

MLflow is imported when the first run is opened, never by importing this module.
"""

from multitrack_mlflow.backend import MlflowBackend
from multitrack_mlflow.options import MlflowOptions

__all__ = ["MlflowBackend", "MlflowOptions", "backend"]

backend = MlflowBackend()
