"""Read inputs, outputs and architecture of a Keras model from its config, as its ``.keras`` file holds it.

A ``.keras`` file is a zip archive with ``config.json``, the model's ``to_json()``, and ``metadata.json``, which has the
Keras release (``keras.saving``, Keras 3). Reading both takes neither Keras nor the weights.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

#: Maximum bytes of a config that is read.
_LARGEST: Final = 32 << 20
#: Layers whose output has the shape of their input.
_SAME_SHAPE: Final = re.compile(r"Activation|Softmax|\w*ReLU|ELU|Dropout|\w*Normalization|Rescaling|Identity")
#: Parts of a config that do not describe the architecture.
_APART: Final = frozenset({"build_config", "compile_config", "shared_object_id", "registered_name"})


def signature_in(path: Path) -> dict[str, Any] | None:
    """Return the signature of the model in a ``.keras`` file; None if it is not such a file.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config, metadata = (_json_in(archive, name) for name in ("config.json", "metadata.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError):
        return None  # another kind of file, damaged, or encrypted
    if not isinstance(config, dict):
        return None
    release = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return signature_of(config, release if isinstance(release, str) else None)


def _json_in(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} is larger than {_LARGEST} bytes")
    with archive.open(name) as file:
        return json.loads(file.read(_LARGEST + 1))


def signature_of(config: dict[str, Any], release: str | None) -> dict[str, Any]:
    """Return the signature of a model, from its serialized config.

    Args:
        config: The config, as in ``config.json``.
        release: The Keras release.

    Returns:
        ``inputs`` and ``outputs``, a list of shapes and dtypes each, if the config has them, as that of a subclassed
        model may not; ``architecture``, a digest of the layers and their options; ``framework``.
    """
    found: dict[str, Any] = {}
    for key, tensors in (("inputs", _inputs(config)), ("outputs", _outputs(config))):
        if tensors:
            found[key] = [_unnamed(tensor) for tensor in tensors] if len(tensors) == 1 else tensors
    layers = json.dumps(_plain(config, _numbers(config)), sort_keys=True)
    found["architecture"] = f"sha256:{hashlib.sha256(layers.encode('utf-8', 'surrogatepass')).hexdigest()}"
    found["framework"] = f"keras {release}" if release else "keras"
    return found


def _inputs(config: dict[str, Any]) -> list[dict[str, Any]]:
    layers = _layers(config)
    named = _ends(config, "input_layers")
    taken = [layers[name] for name in named if name in layers] or list(layers.values())[:1]
    found = [
        _tensor(layer, options["batch_shape"], options.get("dtype"))
        for layer in taken
        if isinstance((options := _options(layer)).get("batch_shape"), list)
    ]
    shape = _built(config)
    if not found and shape is not None:  # built by its first batch
        return [_tensor({}, shape, None)]
    return found


def _outputs(config: dict[str, Any]) -> list[dict[str, Any]]:
    layers = _layers(config)
    named = _ends(config, "output_layers")
    taken = [layers[name] for name in named if name in layers] or list(layers.values())[-1:]
    return [_output(layer) for layer in taken]


def _output(layer: dict[str, Any]) -> dict[str, Any]:
    """The shape of a layer's output, or if that is not known, the layer's class."""
    if len(inner := _outputs(layer)) == 1:  # a model as a layer
        return {**inner[0], **_tensor(layer, None, None)}
    options, kind = _options(layer), str(layer.get("class_name"))
    shape = options.get("batch_shape") or _input_shape(layer)
    dtype = _dtype(options.get("dtype"))
    if isinstance(shape, list):
        if kind == "Dense" and isinstance(options.get("units"), int):
            return _tensor(layer, [*shape[:-1], options["units"]], dtype)
        if kind == "InputLayer" or _SAME_SHAPE.fullmatch(kind):
            return _tensor(layer, shape, dtype)
    numbers: dict[str, Any] = {name: options[name] for name in ("units", "filters", "activation") if name in options}
    return {**_tensor(layer, None, dtype), "layer": kind, **numbers}


def _input_shape(layer: dict[str, Any]) -> Any:
    """The shape of a layer's only input: of the tensor that comes in, or what it was built with."""
    shapes = [
        tensor["config"].get("shape")
        for node in layer.get("inbound_nodes") or ()
        for tensor in _tensors(node)
        if isinstance(tensor.get("config"), dict)
    ]
    return shapes[0] if len(shapes) == 1 else _built(layer)


def _tensors(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value
        else:
            for inner in value.values():
                yield from _tensors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _tensors(inner)


def _built(layer: dict[str, Any]) -> Any:
    built = layer.get("build_config")
    shape = built.get("input_shape") if isinstance(built, dict) else None
    return shape if isinstance(shape, list) else None


def _tensor(layer: dict[str, Any], shape: Any, dtype: Any) -> dict[str, Any]:
    # A model that was built by its first batch has the length of that batch.
    found = {"name": _name(layer), "shape": shape and [None, *shape[1:]], "dtype": _dtype(dtype)}
    return {key: value for key, value in found.items() if value is not None}


def _unnamed(tensor: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tensor.items() if key != "name"}


def _dtype(dtype: Any) -> str | None:
    """The dtype as text; of a policy, its name."""
    if isinstance(dtype, dict):
        dtype = _options(dtype).get("name")
    return dtype if isinstance(dtype, str) else None


def _name(layer: dict[str, Any]) -> str | None:
    """The name that the author gave; None for a name that Keras made up, which differs by process."""
    name = _options(layer).get("name")
    kind = str(layer.get("class_name")).lower()
    if not isinstance(name, str) or re.sub(r"_\d+$", "", name).replace("_", "") in (kind, "keras_tensor", "input"):
        return None
    return name


def _options(layer: dict[str, Any]) -> dict[str, Any]:
    options = layer.get("config")
    return options if isinstance(options, dict) else {}


def _layers(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    layers = _options(config).get("layers")
    if not isinstance(layers, list):
        return {}
    return {str(_options(layer).get("name", i)): layer for i, layer in enumerate(layers) if isinstance(layer, dict)}


def _ends(config: dict[str, Any], key: str) -> list[str]:
    """The names in ``input_layers`` or ``output_layers``: one ``[name, node, tensor]``, or a structure of them."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            yield value[0]
        elif isinstance(value, (list, dict)):
            for inner in value if isinstance(value, list) else value.values():
                yield from walk(inner)

    return list(walk(_options(config).get(key)))


def _numbers(config: dict[str, Any]) -> dict[str, str]:
    """A number for each layer's name: names that Keras makes up would differ between equal models."""
    return {name: f"layer {i}" for i, name in enumerate(_layers(config))}


def _plain(value: Any, numbers: dict[str, str]) -> Any:
    if isinstance(value, dict):
        inner = {**numbers, **{name: f"{i}" for name, i in _numbers(value).items()}}
        return {
            inner.get(key, key): _plain(item, inner)
            for key, item in value.items()
            if key not in _APART and not (key == "name" and "layers" in value)
        }
    if isinstance(value, list):
        return [_plain(item, numbers) for item in value]
    return numbers.get(value, value) if isinstance(value, str) else value
