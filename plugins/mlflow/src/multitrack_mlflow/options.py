"""The ``[mlflow]`` table of the config."""

from __future__ import annotations

import os
from typing import Annotated, Final

import msgspec
from msgspec.structs import force_setattr

from multitrack.config import FilesOption, UriOption, absolute_uri
from multitrack.security.secrets import without_credentials
from multitrack_mlflow import uris

#: MLflow's own default, relative to the current directory.
DEFAULT: Final = "sqlite:///mlflow.db"
#: Environment variables read by MLflow's client and its stores: endpoints, credentials, certificates, timeouts
#: (mlflow/environment_variables.py). Variables that name, create or change runs are left out: MLFLOW_RUN_ID,
#: MLFLOW_EXPERIMENT_NAME, MLFLOW_RUN_CONTEXT, MLFLOW_TRUNCATE_LONG_VALUES, MLFLOW_ENABLE_ASYNC_LOGGING and so on.
ENVIRONMENT: Final = (
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_WORKSPACE", "MLFLOW_UC_OSS_TOKEN", "MLFLOW_KERBEROS_*",
    "MLFLOW_HTTP_*", "MLFLOW_ALLOW_HTTP_REDIRECTS", "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "MLFLOW_S3_*",
    "MLFLOW_GCS_*", "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "MLFLOW_ENABLE_PROXY_MULTIPART_*", "MLFLOW_MULTIPART_*",
    "MLFLOW_ENABLE_MULTIPART_*", "MLFLOW_SQLALCHEMYSTORE_*", "MLFLOW_MYSQL_SSL_*", "MLFLOW_DFS_TMP",
    "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_LOGGING_LEVEL",
    "AWS_*", "AZURE_*", "ARM_*", "GOOGLE_*", "GCLOUD_PROJECT", "CLOUDSDK_*", "DATABRICKS_*", "BOTO_CONFIG", "PG*",
)  # fmt: skip


class MlflowOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the MLflow backend.

    Attributes:
        tracking_uri: ``sqlite:///…``, another SQL store, or ``http(s)://`` of a server. Default: the variable
            ``MLFLOW_TRACKING_URI``, else ``sqlite:///mlflow.db`` in the current directory, as in MLflow.
        experiment: Name of the experiment; default: the run's project.
        upload: Kinds of local artifacts whose files are uploaded as well, such as ``["figure", "text"]``.
        upload_limit: Maximum size of an uploaded file, in bytes.
        register_models: True to register each model that a run wrote in MLflow's model registry, by reference.
        timeout: Timeout of one request to a server, in seconds.
    """

    tracking_uri: UriOption | None = None
    experiment: str | None = None
    upload: FilesOption = []
    upload_limit: Annotated[int, msgspec.Meta(ge=0)] = 50_000_000
    register_models: bool = False
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 30.0

    def __post_init__(self) -> None:
        if self.tracking_uri is None:
            force_setattr(self, "tracking_uri", absolute_uri(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT))
        uri = str(self.tracking_uri)
        shown = without_credentials(uri)
        if uri.startswith(("file:", "/")):
            raise ValueError(
                f"tracking_uri = {shown!r} is a file store, which MLflow no longer maintains; "
                "use sqlite:///path/mlflow.db or a server"
            )
        uris.check(uri)
