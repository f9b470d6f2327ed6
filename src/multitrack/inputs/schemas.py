"""Convert the schema of a dataset or the signature of a model to JSON."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from multitrack._text import clean_text, plain_text, shown, type_name
from multitrack.inputs.keras_signature import signature_in, signature_of
from multitrack.security.redaction import Redaction

#: Maximum bytes of a schema's JSON in the journal. Of a larger one the digest is recorded.
LARGEST: Final = 64 << 10


def recorded_schema(
    given: Any, target: Any, kind: str, path: Path | None, redaction: Redaction
) -> dict[str, Any] | None:
    """Describe a dataset's columns and target, or a model's inputs and outputs, without secrets.

    Args:
        given: Of a dataset: a mapping of columns to types, or a DataFrame of pandas or polars. Of a model: a mapping
            with ``inputs`` and ``outputs``, or a Keras model. None reads it from a local ``.keras`` file.
        target: The name of the column to predict, or several.
        kind: The kind of the reference.
        path: Its local path.
        redaction: Redacts its texts.

    Returns:
        The schema; the digest of one that is larger than :data:`LARGEST`; None if there is none.

    Raises:
        TypeError: If the schema is another object, or contains one.
        ValueError: If a model's mapping has neither inputs nor outputs, or a model has a target.
        OSError: If a ``.keras`` file cannot be read.
    """
    if kind == "model":
        if target is not None:
            raise ValueError("target is for a dataset; a model has outputs")
        found = _signature(given, path)
    else:
        found = {} if given is None else {"columns": _columns(given)}
        if target is not None:
            names = [target] if isinstance(target, str) else list(target)
            found["target"] = [_plain(name, "target") for name in names]
    if not found:
        return None
    found = dict(redaction.value(found, ""))
    text = json.dumps(found, ensure_ascii=False, sort_keys=True).encode()
    if len(text) <= LARGEST:
        return found
    kept: dict[str, Any] = {key: found[key] for key in ("architecture", "framework") if key in found}
    return {"digest": f"sha256:{hashlib.sha256(text).hexdigest()}", "bytes": len(text), **kept}


def _signature(given: Any, path: Path | None) -> dict[str, Any] | None:
    if given is None:
        return signature_in(path) if path is not None and path.suffix == ".keras" and path.is_file() else None
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(given, keras.Model):
        return _of_keras(given, str(keras.__version__))
    if not isinstance(given, Mapping):
        raise TypeError(f"schema of a model must be a mapping or a Keras model, got {type_name(given)}")
    if not {"inputs", "outputs"} & set(given):
        raise ValueError(f'schema of a model must have "inputs" or "outputs", got {shown(given)}')
    plain: dict[str, Any] = _plain(given, "schema")
    return plain


def _of_keras(model: Any, release: str) -> dict[str, Any]:
    try:
        config = json.loads(model.to_json())
    except Exception:  # noqa: BLE001 - the author's own layers need not be serializable
        return {"framework": f"keras {release}"}
    return signature_of(config, release)


def _columns(given: Any) -> dict[str, Any]:
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(given, pandas.DataFrame):
        return {clean_text(str(name)): str(kind) for name, kind in given.dtypes.items()}
    if polars is not None and isinstance(given, (polars.DataFrame, polars.LazyFrame)):
        return {clean_text(name): str(kind) for name, kind in given.collect_schema().items()}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"schema must be a mapping of columns to types, or a DataFrame of pandas or polars, got {type_name(given)}"
        )
    plain: dict[str, Any] = _plain(given, "schema")
    return plain


def _plain(value: Any, where: str) -> Any:
    """Convert a value to JSON: a Python type and a numpy dtype become their names."""
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, str):
        return clean_text(plain_text(value))
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # NaN and infinities are not JSON
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _plain(inner, f"{where}[{key!r}]") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, f"{where}[{i}]") for i, inner in enumerate(value)]
    if isinstance(value, type):
        return value.__name__ if value.__module__ == "builtins" else type_name(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.dtype):
        return str(value)
    raise TypeError(f"{where} must be made of texts, numbers, lists and mappings, got {type_name(value)}")
