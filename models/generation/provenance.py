"""What a drawn picture says of itself: the model, the prompt and the seed, in the file. No torch in here.

PNG keeps it as text chunks (PNG specification, 11.3.4), JPEG and WebP as EXIF (``Software``, ``ImageDescription``,
``UserComment``). The digital source type is IPTC's word for what a model has made.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from PIL import ExifTags, Image, PngImagePlugin

from models.generation.types import MODALITIES, Modality
from models.types import UInt8Array

PictureFormat: TypeAlias = Literal["png", "jpeg", "webp"]
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_KEYWORD = "tastespace"
#: Of JPEG and WebP, where nothing else is asked for.
QUALITY = 90
#: Longer prompts are cut: the EXIF of a JPEG has room for 64 KB.
MAX_PROMPT = 2000
# EXIF begins a comment with the name of its character set in eight bytes. ASCII has no byte order to get wrong.
_ASCII = b"ASCII\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a drawn picture comes from.

    Attributes:
        model: name of the generator, and ``fingerprint`` its digest.
        prompt: as it was asked for; ``negative_prompt`` what it should not show; files keep 2,000 characters of each.
        seed, truncation: see :class:`models.generation.types.PictureRequest`.
        modality: of what the vector was made that the generator was told: of ``prompt``, or of the recipe or photo that
            ``prompt`` names.
        selection: how it was chosen among candidates; empty: it was not, or nobody wrote it down.
    """

    model: str
    prompt: str
    seed: int
    fingerprint: str = ""
    negative_prompt: str = ""
    truncation: float = 1.0
    modality: Modality = "text"
    selection: str = ""

    def to_json(self) -> str:
        """One JSON object, in ASCII."""
        record = asdict(self) | {"source_type": SOURCE_TYPE}
        short = {name: record[name][:MAX_PROMPT] for name in ("prompt", "negative_prompt")}
        return json.dumps(record | short, sort_keys=True)


def encode_picture(
    pixels: UInt8Array, provenance: Provenance, picture_format: PictureFormat = "png", *, quality: int = QUALITY
) -> bytes:
    """The file of a picture, uint8 (rows, columns, 3), that says where it comes from; ``quality`` (0 to 100) is that
    of JPEG and WebP.

    Raises:
        ValueError: the pixels have another shape or type.
    """
    if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be uint8 (rows, columns, 3), not {pixels.dtype} {pixels.shape}")
    image, stream = Image.fromarray(pixels), io.BytesIO()
    if picture_format == "png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("Software", f"Tastespace, {provenance.model}")
        text.add_itxt("Description", _plain(provenance.prompt))
        text.add_itxt("Source", SOURCE_TYPE)
        text.add_itxt(_KEYWORD, provenance.to_json())
        image.save(stream, "PNG", pnginfo=text, optimize=True)
    else:
        image.save(stream, picture_format.upper(), quality=quality, exif=_exif(provenance))
    return stream.getvalue()


def read_provenance(image: Image.Image) -> Provenance | None:
    """What :func:`encode_picture` wrote into the file that an image was opened from; None where there is nothing of
    it, or nothing that can be read.

    Raises:
        OSError: the file of a PNG ends too early.
    """
    text = image.text.get(_KEYWORD) if isinstance(image, PngImagePlugin.PngImageFile) else _comment(image)
    if not text:
        return None
    try:
        record = json.loads(text)
        return Provenance(
            model=str(record["model"]),
            prompt=str(record["prompt"]),
            seed=int(record["seed"]),
            fingerprint=str(record.get("fingerprint", "")),
            negative_prompt=str(record.get("negative_prompt", "")),
            truncation=float(record.get("truncation", 1.0)),
            modality=MODALITIES[MODALITIES.index(record.get("modality", "text"))],
            selection=str(record.get("selection", "")),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _exif(provenance: Provenance) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = f"Tastespace, {provenance.model}"
    exif[ExifTags.Base.ImageDescription] = _plain(provenance.prompt)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _ASCII + provenance.to_json().encode("ascii")
    return exif


def _comment(image: Image.Image) -> str | None:
    try:
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except (SyntaxError, struct.error):  # Pillow's, for what is no EXIF
        return None
    if not isinstance(comment, bytes) or not comment.startswith(_ASCII):
        return None
    return comment.removeprefix(_ASCII).decode("ascii", errors="replace")


def _plain(prompt: str) -> str:
    """What other programs show: short, and without what no file can hold (lone surrogates, NUL)."""
    return prompt[:MAX_PROMPT].replace("\x00", " ").encode("utf-8", errors="replace").decode("utf-8")
