"""Texts for TensorBoard's Text tab, lossless.

The tab renders Markdown, which would swallow parts of a log line. So each line is indented by four spaces, which makes
it code: shown unchanged, and read back by removing four characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

_INDENT: Final = "    "


def encode_lines(lines: Iterable[str]) -> str:
    """Return lines as one block of code."""
    return "\n".join(_INDENT + line for line in lines)


def decode_lines(text: bytes | str) -> list[str]:
    """Return the lines of a block of code."""
    text = text.decode() if isinstance(text, bytes) else text
    return [line[len(_INDENT) :] for line in text.split("\n")]


def encode_table(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return the cells of a table, each as a block of code."""
    return [[encode_lines(cell.split("\n")) for cell in row] for row in rows]


def decode_table(tensor: Any) -> list[list[str]]:
    """Return the cells of a text tensor with two dimensions.

    Args:
        tensor: A ``TensorProto``, such as ``EventAccumulator.Tensors(tag)[-1].tensor_proto``.
    """
    width = tensor.tensor_shape.dim[1].size
    cells = ["\n".join(decode_lines(cell)) for cell in tensor.string_val]
    return [cells[start : start + width] for start in range(0, len(cells), width)]
