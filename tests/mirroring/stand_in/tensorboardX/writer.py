"""A writer with the names of tensorboardX, which writes real event files. It imports nothing, to start at once."""

from __future__ import annotations

import os
import struct
import time
from typing import Self


class FileWriter:
    def __init__(self, logdir: str) -> None:
        self._logdir = logdir
        os.makedirs(logdir, exist_ok=True)  # noqa: PTH103
        name = f"events.out.tfevents.{time.time_ns() // 1_000_000_000}.host.{os.getpid()}.{time.time_ns()}"
        self._file = open(f"{logdir}/{name}", "wb", buffering=0)  # noqa: SIM115, PTH123
        self.add(b"\x1a" + _text("brain.Event:2"))

    def get_logdir(self) -> str:
        return self._logdir

    def add(self, content: bytes) -> None:
        data = b"\x09" + struct.pack("<d", time.time()) + content
        length = struct.pack("<Q", len(data))
        self._file.write(length + _checksum(length) + data + _checksum(data))

    def close(self) -> None:
        self._file.close()


class SummaryWriter:
    def __init__(self, logdir: str | None = None) -> None:
        self.logdir = logdir or "runs/one"
        self.file_writer = FileWriter(self.logdir)

    def add_scalar(self, tag: str, value: float, step: int = 0) -> None:
        entry = b"\x0a" + _text(tag) + b"\x15" + struct.pack("<f", value)
        summary = b"\x0a" + _size(len(entry)) + entry
        self.file_writer.add(b"\x10" + _size(step) + b"\x2a" + _size(len(summary)) + summary)

    def flush(self) -> None:
        """Do nothing: each value is written at once."""

    def close(self) -> None:
        self.file_writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _size(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _text(text: str) -> bytes:
    return _size(len(text)) + text.encode()


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
