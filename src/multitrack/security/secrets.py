"""What counts as a secret: names of values, credentials in URIs, and the trackers' own key variables.

Rules only, without state; :mod:`multitrack.security.redaction` applies them. docs/security.md tells users of them.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote, unquote

#: What stands in the place of a secret.
REDACTED: Final = "[redacted]"

#: The variables that trackers, and the stores behind them, take their keys from.
KEY_VARIABLES: Final = (
    "WANDB_API_KEY",  # docs.wandb.ai, environment variables
    "NEPTUNE_API_TOKEN",  # docs.neptune.ai, setting credentials
    "MLFLOW_TRACKING_PASSWORD",  # mlflow.org, authentication; mlflow/environment_variables.py
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_UC_OSS_TOKEN",
    "DATABRICKS_TOKEN",  # docs.databricks.com, environment variables of unified authentication
    "DATABRICKS_CLIENT_SECRET",
    "AWS_SECRET_ACCESS_KEY",  # mlflow.org, artifact stores: S3
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",  # mlflow.org, artifact stores: Azure
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "COMET_API_KEY",  # comet.com, configuring comet
    "CLEARML_API_SECRET_KEY",  # clear.ml, environment variables
    "SWANLAB_API_KEY",  # docs.swanlab.cn, environment variables
    "DVC_STUDIO_TOKEN",  # dvc.org, DVCLive
    "HF_TOKEN",  # huggingface.co, environment variables; Trackio
)
#: The user that MLflow sends with its password.
_USER: Final = "MLFLOW_TRACKING_USERNAME"
#: A shorter value of such a variable is left alone: "1" or "dummy" would take words out of every text.
SHORTEST: Final = 8

_NAMES: Final = {
    "password", "passwd", "secret", "clientsecret", "apikey", "accesstoken", "authtoken", "privatekey",
    *(variable.lower().replace("_", "") for variable in KEY_VARIABLES),
}  # fmt: skip
# "://" first: a literal is found fast, however long the text
_URI: Final = re.compile(r"://[^\s\"'<>`]+")
_END: Final = re.compile(r"[/?#]")
_NO_PORT: Final = re.compile(r"[^@:\[\]]+:(?!\d*$)")
_PART: Final = re.compile(r"(?<=[?&;#])([^=&;#?]+)=([^&;#]+)")
_SECRET_PART: Final = re.compile(
    r"(?i)(x-(amz|goog)-(signature|credential|security-token)|awsaccesskeyid|googleaccessid|signature|sig|auth|"
    r".*(token(?!s|iz)|secret|password|passwd|api_?key|access_?key|credential).*)"
)


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is a secret: by its last part, after ``/`` and ``.``, without case, ``-`` and ``_``.

    So ``db/password``, ``db.password``, ``API_KEY``, ``api-key`` and ``apiKey`` are, and ``max_tokens`` is not.
    """
    last = name.rpartition("/")[2].rpartition(".")[2]
    return last.replace("-", "").replace("_", "").lower() in _NAMES


def without_credentials(text: str) -> str:
    """A text whose URIs have no ``user:password@`` and nothing secret in their query; the rest letter for letter."""
    return _URI.sub(_clean_uri, text) if "://" in text else text


def passwords_in(text: str) -> list[str]:
    """The passwords in the URIs of a text, as they stand there and as they are without escapes."""
    found = []
    for match in _URI.finditer(text):
        user, at, _ = match[0][3:].rpartition("@")
        password = user.partition(":")[2]
        if at and password:
            found += [password, unquote(password), *basic_forms(unquote(user))]
    return found


def basic_forms(pair: str) -> list[str]:
    """``user:password`` as basic authentication sends it, which a server may quote: base64 of either encoding."""
    forms = {
        base64.b64encode(pair.encode(errors="surrogateescape")),
        base64.b64encode(pair.encode("latin-1", "ignore")),
    }
    return sorted(form.decode() for form in forms)


def _clean_uri(match: re.Match[str]) -> str:
    """A URI from its ``://`` on."""
    rest = match[0][3:]
    end = len(_END.split(rest, 1)[0])
    if "@" not in rest[:end] and _NO_PORT.match(rest[:end]) and "@" in rest:
        end = rest.index("@") + 1  # a password with a "/" in it
    user, at, host = rest[:end].rpartition("@")
    # ssh://git@host names an account, not a secret; a password or a token as the user does not stay
    if at and (":" in user or match.string[: match.start()].lower().endswith(("http", "https"))):
        user = at = ""
    tail = rest[end:]
    if "=" in tail:
        tail = _PART.sub(_clean_part, tail)
    return f"://{user}{at}{host}{tail}"


def _clean_part(match: re.Match[str]) -> str:
    return f"{match[1]}={REDACTED}" if _SECRET_PART.fullmatch(unquote(match[1])) else match[0]


def key_values() -> list[str | None]:
    """The values of the trackers' key variables as they are now, and of names that go with them."""
    get = os.environ.get
    return [get(variable) for variable in (*KEY_VARIABLES, _USER)]


def with_basic_forms(keys: Sequence[str | None]) -> list[str]:
    """The keys among :func:`key_values`, and how basic authentication sends those that it is used with."""
    *found, user = keys
    named = dict(zip(KEY_VARIABLES, found, strict=True))
    password, key = named["MLFLOW_TRACKING_PASSWORD"], named["WANDB_API_KEY"]
    forms = basic_forms(f"{user or ''}:{password}") if password else []
    return [*filter(None, found), *forms, *(basic_forms(f"api:{key}") if key else [])]


def forms_of(values: Iterable[str]) -> frozenset[str]:
    """Secrets as they are, as URIs and as JSON spell them, and each line of those with several."""
    forms: set[str] = set()
    for value in values:
        for line in value.splitlines():
            forms |= {line, quote(line, safe="", errors="surrogateescape"), json.dumps(line)[1:-1]}
    return frozenset(form for form in forms if len(form.strip()) >= SHORTEST)


def without_arguments(command: Sequence[str]) -> list[str]:
    """A command line without ``--password X``, ``--api-key=X``, ``password=X`` and the like."""
    kept: list[str] = []
    expected = False
    for word in command:
        name, equals, _ = word.partition("=")
        if expected and not word.startswith("--"):
            kept.append(REDACTED)
        elif equals and is_secret_name(name.lstrip("-+~")):
            kept.append(f"{name}={REDACTED}")
        else:
            kept.append(word)
        expected = not expected and word.startswith("-") and not equals and is_secret_name(word.lstrip("-"))
    return kept
