"""Images made by hand."""

import struct
import zlib


def png(width: int, height: int) -> bytes:
    """A PNG with a colour gradient."""
    rows = (bytes([0]) + b"".join(bytes([x * 6 % 256, y * 8 % 256, 128]) for x in range(width)) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b""))
    )
