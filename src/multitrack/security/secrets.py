"""The rules for secrets: names of values, credentials in URIs, and the trackers' key variables.

The rules have no state; :mod:`multitrack.security.redaction` applies them. docs/security.md describes them for users.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote, unquote

#: Replacement for a secret.
REDACTED: Final = "[redacted]"

#: The environment variables with the keys of trackers and of the stores behind them.
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
#: The variable with the user name that MLflow sends with its password.
_USER: Final = "MLFLOW_TRACKING_USERNAME"
#: Minimum characters of a secret value; redacting a shorter one, such as "1" or "dummy", would remove ordinary words.
SHORTEST: Final = 8

_NAMES: Final = {
    "password", "passwd", "secret", "clientsecret", "apikey", "accesstoken", "authtoken", "privatekey",
    *(variable.lower().replace("_", "") for variable in KEY_VARIABLES),
}  # fmt: skip
_ENDS: Final = tuple(sorted(_NAMES))
# begins with "://", because a literal is found fast even in a long text
_URI: Final = re.compile(r"://[^\s\"'<>`]+")
_END: Final = re.compile(r"[/?#]")
_NO_PORT: Final = re.compile(r"[^@:\[\]]+:(?!\d*$)")
_PART: Final = re.compile(r"(?<=[?&;#])([^=&;#?]+)=([^&;#]+)")
_SECRET_PART: Final = re.compile(
    r"(?i)(x-(amz|goog)-(signature|credential|security-token)|awsaccesskeyid|googleaccessid|signature|sig|auth|"
    r".*(token(?!s|iz)|secret|password|passwd|api_?key|access_?key|credential).*)"
)


def is_secret_name(name: str) -> bool:
    """Return True if a value of this name is a secret.

    Checks the part of the name after the last ``/`` or ``.``, ignoring case, ``-`` and ``_``:
    ``db/password``, ``db.password``, ``API_KEY``, ``api-key`` and ``apiKey`` are secret, ``max_tokens`` is not.
    """
    last = name.rpartition("/")[2].rpartition(".")[2]
    return last.replace("-", "").replace("_", "").lower() in _NAMES


def ends_like_secret(name: str) -> bool:
    """Return True if the last part of a name ends with a secret name: ``OPENAI_API_KEY``, ``db_password``."""
    last = name.rpartition("/")[2].rpartition(".")[2]
    return last.replace("-", "").replace("_", "").lower().endswith(_ENDS)


def without_credentials(text: str) -> str:
    """Remove ``user:password@`` from the URIs in a text, and redact secrets in their queries; the rest is unchanged."""
    return _URI.sub(_clean_uri, text) if "://" in text else text


def passwords_in(text: str) -> list[str]:
    """The passwords in the URIs of a text: as written, decoded, and in the forms of basic authentication."""
    found = []
    for match in _URI.finditer(text):
        user, at, _ = match[0][3:].rpartition("@")
        password = user.partition(":")[2]
        if at and password:
            found += [password, unquote(password), *basic_forms(unquote(user))]
    return found


def basic_forms(pair: str) -> list[str]:
    """Encode ``user:password`` as in basic authentication, which a server may quote: base64 of UTF-8 and Latin-1."""
    import binascii  # noqa: PLC0415 - few have such secrets; base64 takes three times as long to import

    pairs = {pair.encode(errors="surrogateescape"), pair.encode("latin-1", "ignore")}
    return sorted(binascii.b2a_base64(form, newline=False).decode() for form in pairs)


def _clean_uri(match: re.Match[str]) -> str:
    """Clean a URI, matched from its ``://`` on."""
    rest = match[0][3:]
    end = len(_END.split(rest, 1)[0])
    if "@" not in rest[:end] and _NO_PORT.match(rest[:end]) and "@" in rest:
        end = rest.index("@") + 1  # a password that contains "/"
    user, at, host = rest[:end].rpartition("@")
    # ssh://git@host names an account and stays; a password, or a token as the user, is removed
    if at and (":" in user or match.string[: match.start()].lower().endswith(("http", "https"))):
        user = at = ""
    tail = rest[end:]
    if "=" in tail:
        tail = _PART.sub(_clean_part, tail)
    return f"://{user}{at}{host}{tail}"


def _clean_part(match: re.Match[str]) -> str:
    return f"{match[1]}={REDACTED}" if _SECRET_PART.fullmatch(unquote(match[1])) else match[0]


def key_values() -> list[str | None]:
    """The current values of :data:`KEY_VARIABLES`, followed by MLflow's user name; None for each that is not set."""
    get = os.environ.get
    return [get(variable) for variable in (*KEY_VARIABLES, _USER)]


def with_basic_forms(keys: Sequence[str | None]) -> list[str]:
    """The keys among :func:`key_values`, and the basic authentication forms of MLflow's and W&B's."""
    *found, user = keys
    named = dict(zip(KEY_VARIABLES, found, strict=True))
    password, key = named["MLFLOW_TRACKING_PASSWORD"], named["WANDB_API_KEY"]
    forms = basic_forms(f"{user or ''}:{password}") if password else []
    return [*filter(None, found), *forms, *(basic_forms(f"api:{key}") if key else [])]


def forms_of(values: Iterable[str]) -> frozenset[str]:
    """The forms in which secrets may appear: each line as it is, percent-encoded, and JSON-escaped."""
    forms = {form for value in values for line in value.splitlines() for form in _forms_of_line(line)}
    return frozenset(form for form in forms if len(form.strip()) >= SHORTEST)


def _forms_of_line(line: str) -> tuple[str, str, str]:
    import json  # noqa: PLC0415 - 1 ms, and few runs have such secrets

    return line, quote(line, safe="", errors="surrogateescape"), json.dumps(line)[1:-1]


def without_arguments(command: Sequence[str]) -> list[str]:
    """Redact the secrets in a command line: ``--password X``, ``--api-key=X``, ``password=X`` and the like."""
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
