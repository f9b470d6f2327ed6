"""The options of the backend, and whether W&B's credentials are there. Nothing here imports the SDK."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from multitrack.config import PathOption

_SAAS: Final = "https://api.wandb.ai"
_MODES: Final[dict[str, Literal["online", "offline"]]] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
}


def _default_mode() -> Literal["online", "offline"]:
    given = os.environ.get("WANDB_MODE") or "online"
    if given not in _MODES:
        raise ValueError(
            f"WANDB_MODE={given} is no way to deliver a run: set it, or the option mode, to online or offline, "
            "or leave wandb out of the backends"
        )
    return _MODES[given]


def _default_dir() -> str:
    return str(Path(os.environ.get("WANDB_DIR") or ".").expanduser().absolute())


class WandbOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How runs go to W&B.

    Attributes:
        mode: ``online``: to a server; ``offline``: into files that ``wandb sync`` uploads later.
        entity: User or team; default: ``WANDB_ENTITY``, or the account's.
        project: W&B project; default: the run's project, without the characters that W&B refuses.
        dir: Where the directory ``wandb`` stands; default: ``WANDB_DIR``, or the training's working directory.
        base_url: The server; default: ``WANDB_BASE_URL``, or what W&B's own settings file says.
        job_type: W&B's job type of the runs.
        system_metrics: Whether W&B samples CPU, memory and GPU of the training process.
    """

    mode: Literal["online", "offline"] = msgspec.field(default_factory=_default_mode)
    entity: str | None = msgspec.field(default_factory=lambda: os.environ.get("WANDB_ENTITY"))
    project: str | None = None
    dir: PathOption = msgspec.field(default_factory=_default_dir)
    base_url: str | None = msgspec.field(default_factory=lambda: os.environ.get("WANDB_BASE_URL"))
    job_type: str | None = None
    system_metrics: bool = False

    def __post_init__(self) -> None:
        """Refuse to go online without credentials, where the SDK would prompt or fail much later."""
        if self.mode == "online" and not has_credentials(self.base_url):
            server = self.base_url or _from_settings_file("base_url") or _SAAS
            raise ValueError(
                f"no W&B credentials for {server}: run `wandb login`, set WANDB_API_KEY, "
                'or set mode = "offline" and upload later with `wandb sync`'
            )


def has_credentials(base_url: str | None) -> bool:
    """Whether W&B would find a key without asking: environment, netrc file, or its own settings file."""
    import netrc  # noqa: PLC0415 - for the courier; the training process does not need it

    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    if _from_settings_file("api_key"):
        return True
    host = urlsplit(base_url or _from_settings_file("base_url") or _SAAS).netloc
    try:
        found = netrc.netrc(_netrc_path()).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return False  # unreadable is as good as none: the error then names what to do
    return bool(found and found[2])


def _netrc_path() -> Path:
    """The file that the SDK reads: ``NETRC``, or the first that exists of the two usual ones."""
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    usual = Path.home() / ".netrc"
    return usual if usual.exists() else Path.home() / "_netrc"


def _from_settings_file(key: str) -> str | None:
    import configparser  # noqa: PLC0415 - for the courier; the training process does not need it

    directory = os.environ.get("WANDB_CONFIG_DIR")
    path = (Path(directory).expanduser() if directory else Path.home() / ".config" / "wandb") / "settings"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, configparser.Error, UnicodeDecodeError):
        return None
    return parser.get("default", key, fallback=None)
