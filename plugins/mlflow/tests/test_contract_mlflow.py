"""The contract, against a SQLite store and against a real server on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mlflow_reader import read_run
from mlflow_server import mlflow_server

from multitrack.testing import BackendContract, Capabilities, NativeRun

# Params are text in MLflow; the store turns ±inf into ±1.8e308; names are escaped, the full one is in a tag.
CAPABILITIES = Capabilities(typed_params=False, infinity=False)


class TestMlflowSqlite(BackendContract):
    backend = "mlflow"
    capabilities = CAPABILITIES

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(f"sqlite:///{tmp_path}/mlflow.db", backend_id)


@pytest.mark.slow
class TestMlflowServer(BackendContract):
    backend = "mlflow"
    capabilities = CAPABILITIES
    address: ClassVar[str]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with mlflow_server(tmp_path_factory.mktemp("server")) as address:
            cls.address = address
            yield

    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"tracking_uri": self.address}

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return read_run(self.address, backend_id)
