"""multitrack's backend for TensorBoard: runs as event files, written without TensorFlow.

The package ``tensorboard`` is imported when the first run is opened, never by importing this module.
"""

from multitrack_tensorboard.backend import TensorboardBackend
from multitrack_tensorboard.numbers import exact_number
from multitrack_tensorboard.options import TensorboardOptions
from multitrack_tensorboard.tags import name_of
from multitrack_tensorboard.texts import decode_lines, decode_table

__all__ = [
    "TensorboardBackend", "TensorboardOptions", "backend", "decode_lines", "decode_table", "exact_number", "name_of",
]  # fmt: skip

backend = TensorboardBackend()
