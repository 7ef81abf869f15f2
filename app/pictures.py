"""Bytes from outside become safe pictures: checked before decoding, upright, RGB; or one clear :class:`PictureError`.

Only the formats listed here are ever handed to a decoder, chosen by the file's own first bytes and never by its
name. Pillow's plugin classes are opened directly instead of through ``Image.open``: no global format registry, no
process-wide pixel limit or warning filter is touched, so that every call carries its own limits and is thread-safe.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from models.generation.provenance import SOURCE_TYPE, read_provenance

THUMBNAIL_MEDIA_TYPE: Final = "image/webp"
# What pages draw transparent pictures on.
_BACKGROUND: Final = (255, 255, 255)
_ORIENTATION_TAG: Final = 0x0112
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# In every file that says so: to look for it costs next to nothing, and few files have to be opened.
_DRAWN: Final = SOURCE_TYPE.encode("ascii")
_SIDES_SWAPPED: Final = frozenset({5, 6, 7, 8})
_ACCEPTED: Final = "JPEG, PNG, WebP, GIF or AVIF"

_Opener: TypeAlias = Callable[[BytesIO], ImageFile.ImageFile]


class PictureCode(StrEnum):
    """Why a picture was refused; stable, for programs."""

    EMPTY = "picture_empty"
    TOO_LARGE = "picture_too_large"
    TOO_MANY_PIXELS = "picture_too_many_pixels"
    UNSUPPORTED = "picture_unsupported"
    CORRUPT = "picture_corrupt"


class PictureError(Exception):
    """These bytes are not a picture that is taken here; ``detail`` is one clear sentence for the client."""

    def __init__(self, detail: str, code: PictureCode) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a picture may cost: bytes of the file, pixels in all, and pixels along one side."""

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    max_side: int = 30_000

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A decoded picture.

    ``image`` is RGB and upright. ``width`` and ``height`` are the upright picture's own size in pixels; ``image`` is
    smaller where ``target_side`` let the decoder take a short cut. ``animated`` says that more frames follow the
    one decoded. ``media_type`` comes from the bytes.
    """

    image: Image.Image
    media_type: str
    width: int
    height: int
    animated: bool


def decode(data: bytes, limits: PictureLimits, *, target_side: int | None = None) -> DecodedPicture:
    """Decode ``data`` fully, the first frame only; never trusts anything but the bytes.

    The size is read from the header and held against ``limits`` before a pixel is decoded. EXIF orientation is
    applied, transparency is laid on white, 16-bit samples keep their high byte, colour profiles are ignored. Bytes
    after the end of a picture are ignored too: cameras put previews and depth maps there.

    Args:
        data: the file's bytes.
        limits: what is taken.
        target_side: the shorter side in pixels that the caller will scale down to. A JPEG is then decoded at 1/2,
            1/4 or 1/8 of its size while its shorter side stays at least twice this long, which keeps a later
            resize sharp; other formats are decoded whole.

    Raises:
        PictureError: empty, too large, of another format, truncated or corrupt. No other exception than this and
            MemoryError is raised for any bytes.
        ValueError: ``target_side`` is below 1.
    """
    if target_side is not None and target_side < 1:
        raise ValueError("target_side must be at least 1")
    if not data:
        raise PictureError("the picture is empty (0 bytes)", PictureCode.EMPTY)
    if len(data) > limits.max_bytes:
        raise PictureError(
            f"the picture has {len(data)} bytes; at most {limits.max_bytes} are taken", PictureCode.TOO_LARGE
        )
    media_type = _sniff(data[:64])
    try:
        return _decode_as(media_type, data, limits, target_side)
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"the picture has far more than the {limits.max_pixels} pixels that are taken", PictureCode.TOO_MANY_PIXELS
        ) from error
    except Exception as error:
        # Broad on purpose: for hostile bytes a decoder raises nearly anything.
        name = media_type.removeprefix("image/").upper()
        raise PictureError(
            f"the {name} picture is truncated or corrupt and can't be decoded", PictureCode.CORRUPT
        ) from error


def is_drawn(data: bytes) -> bool:
    """Whether a file says of itself that a generator of this project drew it; see
    :func:`models.generation.provenance.read_provenance`. For bytes that :func:`decode` takes: a PNG is decoded whole,
    whatever its size. Anything else raises nothing and is not drawn, and nor is an animation.

    Raises:
        MemoryError: there is no room for the picture.
    """
    if _DRAWN not in data:
        return False
    try:
        image = _opener(_sniff(data[:64]))(BytesIO(data))
        # Pillow would go through all frames of a PNG to find its texts.
        return not _is_animated(image) and read_provenance(image) is not None
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - what can't be read says nothing
        return False


def thumbnail(image: Image.Image, side: int) -> bytes:
    """``image`` (RGB) as WebP whose longer side is at most ``side`` pixels; never enlarged, aspect ratio kept.

    Raises:
        ValueError: ``side`` is below 1.
    """
    if side < 1:
        raise ValueError("side must be at least 1")
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = BytesIO()
    small.save(buffer, "WEBP", quality=80, method=4)
    return buffer.getvalue()


def _decode_as(media_type: str, data: bytes, limits: PictureLimits, target_side: int | None) -> DecodedPicture:
    image = _opener(media_type)(BytesIO(data))
    width, height = image.size
    _check_size(width, height, limits)
    orientation = _orientation(image)
    if target_side is not None and isinstance(image, JpegImageFile):
        image.draft(None, (2 * target_side, 2 * target_side))
    image.load()
    rgb = _to_rgb(image)
    if orientation in _TRANSPOSE:
        rgb = rgb.transpose(_TRANSPOSE[orientation])
    # Nothing may turn it a second time, or carry the sender's place and camera on.
    rgb.info.clear()
    if orientation in _SIDES_SWAPPED:
        width, height = height, width
    return DecodedPicture(rgb, media_type, width, height, _is_animated(image))


def _sniff(head: bytes) -> str:
    """The media type by the file's signature. Raises PictureError for any other file."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[4:8] == b"ftyp":
        # ISO base media: the major brand, then a version, then the compatible brands (ISO/IEC 23008-12, 14496-12).
        box = head[: int.from_bytes(head[:4])]
        brands = {box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
        if brands & {b"avif", b"avis"}:
            return "image/avif"
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
            return "image/heic"
    raise PictureError(f"this is not a {_ACCEPTED} picture", PictureCode.UNSUPPORTED)


def _opener(media_type: str) -> _Opener:
    if media_type == "image/heic":
        return _heic_opener()
    openers: dict[str, _Opener] = {
        "image/jpeg": JpegImageFile,
        "image/png": PngImageFile,
        "image/webp": WebPImageFile,
        "image/gif": GifImageFile,
        "image/avif": AvifImageFile,
    }
    return openers[media_type]


def _heic_opener() -> _Opener:
    """pillow-heif's plugin class, imported on need and registered nowhere."""
    if importlib.util.find_spec("pillow_heif") is None:
        raise PictureError(
            f"HEIC pictures are not taken by this service; send it as {_ACCEPTED}", PictureCode.UNSUPPORTED
        )
    opener: _Opener = importlib.import_module("pillow_heif.as_plugin").HeifImageFile
    return opener


def _check_size(width: int, height: int, limits: PictureLimits) -> None:
    if width < 1 or height < 1:
        raise PictureError(f"the picture has no pixels ({width} x {height})", PictureCode.CORRUPT)
    if width * height > limits.max_pixels:
        raise PictureError(
            f"the picture has {width} x {height} pixels; at most {limits.max_pixels} in all are taken",
            PictureCode.TOO_MANY_PIXELS,
        )
    if max(width, height) > limits.max_side:
        raise PictureError(
            f"the picture has {width} x {height} pixels; a side may have at most {limits.max_side}",
            PictureCode.TOO_MANY_PIXELS,
        )


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; broken EXIF counts as 1, as browsers have it."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a broken EXIF block must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - only the first frame has to be sound
        return False


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _sixteen_bit_to_rgb(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", rgba.size, _BACKGROUND)
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _sixteen_bit_to_rgb(image: Image.Image) -> Image.Image:
    """16-bit grey by its high byte: Pillow's own conversion clips everything above 255 to white."""
    samples = np.asarray(image).astype(np.int64)
    grey = (np.clip(samples, 0, 65_535) >> 8).astype(np.uint8)
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey[samples == key] = 255
    return Image.fromarray(grey, "L").convert("RGB")
