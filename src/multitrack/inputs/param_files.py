"""Read params from a YAML, TOML or JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multitrack._hints import to_install


def read_params(path: Path) -> dict[str, Any]:
    """Read the mapping in a file, in the format of its suffix.

    Raises:
        ValueError: If the suffix is unknown, or the content is invalid or not a mapping.
        OSError: If the file cannot be read; ``FileNotFoundError`` if it does not exist.
        ImportError: If it is YAML and PyYAML is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in {".yaml", ".yml", ".toml", ".json"}:
        raise ValueError(
            f"params file {path} must end in .yaml, .yml, .toml or .json; give params by name as a mapping, "
            '{"lr": 0.1}'
        )
    try:
        found = _parse(path.read_text(encoding="utf-8"), suffix)
    except ImportError:
        raise
    except OSError as error:
        raise OSError(error.errno, f"cannot read the params file: {error.strerror}", str(path)) from None
    except Exception as error:
        raise ValueError(f"params file {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"params file {path} must hold a mapping, got {type(found).__name__}")
    return found


def _parse(text: str, suffix: str) -> Any:
    if suffix == ".json":
        import json  # noqa: PLC0415 - 1 ms, and few runs read a file

        return json.loads(text)
    if suffix == ".toml":
        import tomllib  # noqa: PLC0415 - see above

        return tomllib.loads(text)
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise ImportError(f"params from YAML need PyYAML: {to_install('yaml')}") from None
    return yaml.safe_load(text)
