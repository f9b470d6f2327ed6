"""Encode names of any Unicode as names that MLflow accepts.

MLflow accepts letters, digits, ``_ - . space : /`` in at most 250 characters, and no path parts that are empty, ``.``
or ``..`` (mlflow/utils/validation.py). Any other character is written as ``_x<hex>_``, and so is a ``_`` that could be
read as the start of such an escape. Names that leave no room for our tags' prefixes are cut and end in a digest. So two
names never become equal. The full form of a changed name is kept in a tag.
"""

from __future__ import annotations

import functools
import re
from typing import Final

LONGEST: Final = 250 - len("multitrack.artifact.")
_REFUSED: Final = re.compile(r"[^\w\-. :/]|_(?=x[0-9a-f]*(?:_|[^\w\-. :/]))")


@functools.lru_cache(maxsize=1024)  # called for every point
def native_name(name: str) -> str:
    """Return the name in MLflow; unchanged if MLflow accepts it."""
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    native = "/".join(_part(part) for part in _REFUSED.sub(_hex, name).split("/"))
    if len(native) > LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        native = f"{native[: LONGEST - 40]}~{digest}".replace("~", "_x7e_").rstrip("/")
    return native


def _part(part: str) -> str:
    if part == "":
        return "_x_"
    return part.replace(".", "_x2e_") if part in {".", ".."} else part


def _hex(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):x}_"
