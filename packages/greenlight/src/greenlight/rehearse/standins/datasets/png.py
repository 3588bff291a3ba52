"""Small PNG images, drawn as blocks of colour."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Literal

from greenlight.rehearse.standins.datasets.sentences import Draw

_COLOURS = {"grey": (0, 1), "colour": (2, 3), "transparent": (6, 4)}  # PNG's number of the kind, bytes of a pixel
_BLOCKS = 4  # blocks in a row


def picture(
    draw: Draw, label: int, width: int, height: int, kind: Literal["grey", "colour", "transparent"] = "colour"
) -> dict[str, Any]:
    """Return an image whose brightest block tells its class, as the value of a column of images.

    Parameters
    ----------
    draw
        The source of the other colours.
    label
        The class.
    width, height
        The size in pixels.
    kind
        Grey, red-green-blue, or that with transparency.
    """
    number, depth = _COLOURS[kind]
    block = -(-width // _BLOCKS)
    tall = -(-height // _BLOCKS)
    lines: list[bytes] = []
    for row in range(_BLOCKS):
        noise = [bytes(20 + value % 120 for value in draw.bytes(depth)) for _ in range(_BLOCKS)]
        if row == label // _BLOCKS % _BLOCKS:
            noise[label % _BLOCKS] = bytes([255 - label // (_BLOCKS * _BLOCKS) % 100] * depth)
        lines += [b"\0" + b"".join(colour * block for colour in noise)[: width * depth]] * tall
    header = struct.pack(">IIBBBBB", width, height, 8, number, 0, 0, 0)
    body = zlib.compress(b"".join(lines[:height]), 6)
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    return {"bytes": content, "path": None}


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
