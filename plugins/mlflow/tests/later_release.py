"""MLflow as a later release may be: its HTTP function has another name. Imported first by a test's own process."""

from mlflow.utils import rest_utils

rest_utils.send_once_more = rest_utils._get_http_response_with_retries
del rest_utils._get_http_response_with_retries
code = rest_utils.http_request.__code__
rest_utils.http_request.__code__ = code.replace(
    co_names=tuple("send_once_more" if name == "_get_http_response_with_retries" else name for name in code.co_names)
)
