"""Pictures drawn in the tests, so that no photo needs to be in the repository."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageDraw


def plate(colour: str = "red", *, size: tuple[int, int] = (320, 240), seed: int = 0) -> Image.Image:
    """A white plate on a wooden table with food of one colour; ``seed`` moves the crumbs."""
    image = Image.new("RGB", size, "#8a5a33")
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.ellipse((width * 0.1, height * 0.05, width * 0.9, height * 0.95), fill="white")
    draw.ellipse((width * 0.25, height * 0.25, width * 0.75, height * 0.75), fill=colour)
    for i in range(12):
        x, y = (37 * (i + 1) * (seed + 3)) % width, (53 * (i + 2) * (seed + 5)) % height
        draw.ellipse((x, y, x + 6, y + 6), fill="black")
    return image


def encode(image: Image.Image, image_format: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def jpeg(colour: str = "red", seed: int = 0) -> bytes:
    return encode(plate(colour, seed=seed))


def png_bomb(side: int = 13_000) -> bytes:
    """A valid greyscale PNG of ``side`` x ``side`` pixels (169 megapixels) in about 20 KB."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side + 7) // 8 + 1) * side, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
