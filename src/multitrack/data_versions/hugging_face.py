"""The version of a data set that Hugging Face's ``datasets`` saved to disk: its fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack.data_versions.places import read_text
from multitrack.markers import hookimpl

#: Maximum bytes of a file, and number of splits, that are read.
_LONGEST: Final = 16 << 20
_SPLITS: Final = 100


def is_near(path: Path) -> bool:
    """Return True if a path may be a saved data set."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


@hookimpl
def find_data_version(path: Path | None) -> str | None:
    """Return ``hf:<fingerprint>``, for several splits ``hf:train=<fingerprint>,test=<fingerprint>``, or None."""
    if path is None:
        return None
    splits = _json(path / "dataset_dict.json").get("splits")
    if not isinstance(splits, list):
        fingerprint = _fingerprint(path)
        return None if fingerprint is None else f"hf:{fingerprint}"
    if not 0 < len(splits) <= _SPLITS:
        return None
    found = {str(split): _fingerprint(path / str(split)) for split in splits}
    return f"hf:{','.join(f'{split}={one}' for split, one in found.items())}" if None not in found.values() else None


def _fingerprint(folder: Path) -> str | None:
    found = _json(folder / "state.json").get("_fingerprint")
    return found if isinstance(found, str) and found else None


def _json(file: Path) -> dict[str, Any]:
    text = read_text(file, _LONGEST)
    try:
        found = None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:  # another program's file of this name
        return {}
    return found if isinstance(found, dict) else {}
