"""The options of the backend, and the check for W&B's credentials. Does not import the SDK."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from multitrack.config import FIGURE_LIMIT, FilesOption, PathOption, current_directory
from multitrack.security.secrets import without_credentials

log = logging.getLogger("multitrack")

#: W&B's own service; later releases of the SDK call it by the second name.
SAAS: Final = "https://api.wandb.ai"
_SAAS_HOSTS: Final = ("api.wandb.ai", "api.forge.coreweave.com")
_MODES: Final[dict[str, Literal["online", "offline"]]] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
}

#: Environment variables of the connection to the server (endpoints, credentials, proxies, timeouts), of caches and
#: directories, and of telemetry. The SDK also turns every other ``WANDB_*`` variable into a setting
#: (Settings.update_from_env_vars). Those that create, name or change runs are left out: WANDB_RUN_ID, WANDB_SWEEP_ID,
#: WANDB_NOTES, WANDB_RESUME, WANDB_TAGS, WANDB_X_PRIMARY and so on.
ENVIRONMENT: Final = (
    "WANDB_BASE_URL", "WANDB_APP_URL", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_CREDENTIALS_FILE",
    "WANDB_HTTP_PROXY", "WANDB_HTTPS_PROXY", "WANDB_X_PROXIES", "WANDB__PROXIES", "WANDB_INSECURE_DISABLE_SSL",
    "WANDB_X_EXTRA_HTTP_HEADERS", "WANDB__EXTRA_HTTP_HEADERS", "WANDB_HTTP_TIMEOUT", "WANDB_FILE_PUSHER_TIMEOUT",
    "WANDB_X_GRAPHQL_*", "WANDB__GRAPHQL_*", "WANDB_X_FILE_STREAM_*", "WANDB__FILE_STREAM_*",
    "WANDB_X_FILE_TRANSFER_*", "WANDB__FILE_TRANSFER_*", "WANDB_X_SERVICE_WAIT", "WANDB__SERVICE_WAIT",
    "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR",
    "WANDB_ERROR_REPORTING", "WANDB_DEBUG", "WANDB_CORE_DEBUG", "WANDB_DISABLE_WEAVE",
)  # fmt: skip
#: The corresponding keys in W&B's settings file.
FILE_KEYS: Final = frozenset({
    "base_url", "app_url_override", "api_key", "identity_token_file", "credentials_file", "http_proxy", "https_proxy",
    "x_proxies", "insecure_disable_ssl", "x_extra_http_headers",
})  # fmt: skip


def _default_mode() -> Literal["online", "offline"]:
    given = os.environ.get("WANDB_MODE") or "online"
    if given not in _MODES:
        raise ValueError(
            f"invalid value for WANDB_MODE: {given!r} (expected online or offline); set it or the option mode, or "
            "remove wandb from the backends"
        )
    return _MODES[given]


def _default_dir() -> str:
    given = Path(os.environ.get("WANDB_DIR") or ".").expanduser()
    return str(given if given.is_absolute() else current_directory() / given)


def default_base_url() -> str | None:
    """Return the server from the environment, or from the settings file that ``wandb init`` writes, or None."""
    if given := os.environ.get("WANDB_BASE_URL"):
        return given
    found = [_settings(Path(_default_dir(), name, "settings")).get("base_url") for name in (".wandb", "wandb")]
    return next(filter(None, found), None)


def _default_sweep() -> str | None:
    """Return the sweep for which W&B's agent runs this process, or None."""
    sweep = (os.environ.get("WANDB_SWEEP_ID") or "").strip()
    if sweep:
        _tell_of_sweep(sweep)
    return sweep or None


@functools.cache
def _tell_of_sweep(sweep: str) -> None:
    log.warning(
        "multitrack: wandb: this process runs for the W&B sweep %s: runs join it if W&B accepts them, which needs the "
        "sweep's own entity and project; they keep their ids and the params that you log, and the run id and params "
        "of the sweep's agent are ignored. Set [wandb] sweep = \"\" to keep runs out of it", sweep,
    )  # fmt: skip


class WandbOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the W&B backend.

    Attributes:
        mode: ``online`` to deliver to a server, ``offline`` to write files that ``wandb sync`` uploads later.
        entity: User or team; default: ``WANDB_ENTITY``, or the account's.
        project: W&B project; default: the run's project, without the characters that W&B rejects.
        dir: Parent of the directory ``wandb``; default: ``WANDB_DIR``, or the training's working directory.
        base_url: URL of the server; default: ``WANDB_BASE_URL``, or the URL in W&B's own settings file.
        job_type: W&B's job type of the runs.
        system_metrics: True to let W&B sample CPU, memory and GPU of the training process.
        sweep: Id of the W&B sweep that the runs belong to, or empty for none; default: ``WANDB_SWEEP_ID``.
        upload: ``["figure"]`` to copy local images that are logged as figures, so that W&B shows them.
        upload_limit: Maximum size of an image that is copied, in bytes.
        registry: Name of the W&B registry to which the models that a run wrote are linked, such as ``model``; online
            only.
    """

    mode: Literal["online", "offline"] = msgspec.field(default_factory=_default_mode)
    entity: str | None = msgspec.field(default_factory=lambda: os.environ.get("WANDB_ENTITY"))
    project: str | None = None
    dir: PathOption = msgspec.field(default_factory=_default_dir)
    base_url: str | None = msgspec.field(default_factory=default_base_url)
    job_type: str | None = None
    system_metrics: bool = False
    sweep: str | None = msgspec.field(default_factory=_default_sweep)
    upload: FilesOption = []
    upload_limit: Annotated[int, msgspec.Meta(ge=0)] = FIGURE_LIMIT
    registry: str | None = None

    def __post_init__(self) -> None:
        """Reject mode ``online`` without credentials, since the SDK would prompt or fail much later."""
        others = [kind for kind in self.upload if kind != "figure"]
        if others:
            raise ValueError(f"invalid value for upload: {others} (W&B shows files of the kind 'figure' only)")
        if self.mode == "online" and not has_credentials(self.base_url):
            raise ValueError(
                f"no W&B credentials for {server_url(self.base_url)}: run `wandb login`, set WANDB_API_KEY, "
                'or set mode = "offline" and upload later with `wandb sync`'
            )


def server_url(base_url: str | None) -> str:
    """Return the URL of a server, of W&B's settings file, or of W&B's own service; without credentials."""
    return without_credentials(base_url or from_settings_file().get("base_url") or SAAS)


def has_credentials(base_url: str | None) -> bool:
    """Return True if W&B finds credentials without a prompt: in the environment, its settings or the netrc file."""
    if os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or from_settings_file().get("identity_token_file"):
        return True
    return bool(key_for(base_url))


def key_for(base_url: str | None) -> str | None:
    """Return W&B's key for a server: from the environment, its own settings file, or the netrc file, or None."""
    import netrc  # noqa: PLC0415 - for the courier; the training process does not need it

    kept = from_settings_file()
    if key := os.environ.get("WANDB_API_KEY") or kept.get("api_key"):
        return key
    host = urlsplit(base_url or kept.get("base_url") or SAAS).netloc
    try:
        file = netrc.netrc(_netrc_path())
    except (OSError, netrc.NetrcParseError):
        return None  # an unreadable file counts as missing; the error then says what to do
    for name in (host, *_SAAS_HOSTS) if host in _SAAS_HOSTS else (host,):
        if found := file.authenticators(name):
            return found[2]
    return None


def _netrc_path() -> Path:
    """Return the netrc file that the SDK reads: ``NETRC``, or the first existing one of the two usual files."""
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    usual = Path.home() / ".netrc"
    return usual if usual.exists() else Path.home() / "_netrc"


def from_settings_file() -> dict[str, str]:
    """Read the settings of the server connection from W&B's own settings file; those of runs are left out."""
    directory = os.environ.get("WANDB_CONFIG_DIR")
    return _settings((Path(directory).expanduser() if directory else Path.home() / ".config" / "wandb") / "settings")


def _settings(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    import configparser  # noqa: PLC0415 - too slow for the training process if there is no file

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    section = parser["default"] if parser.has_section("default") else {}
    return {key: value for key, value in section.items() if key in FILE_KEYS}
