import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.generation.provenance import MAX_PROMPT, SOURCE_TYPE, PictureFormat, Provenance, encode_picture
from models.generation.provenance import read_provenance as read
from models.generation.types import MODALITIES, Modality
from tests.pictures import encode, plate

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
FORMATS: tuple[PictureFormat, ...] = ("png", "jpeg", "webp")


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("picture_format", FORMATS)
@settings(max_examples=25)
@given(
    prompt=st.text(max_size=40),
    negative=st.text(max_size=10),
    seed=st.integers(0, 2**32 - 1),
    truncation=st.floats(0.01, 1),
    modality=st.sampled_from(MODALITIES),
    selection=st.text(max_size=20),
)
def test_what_is_written_is_read(
    picture_format: PictureFormat,
    prompt: str,
    negative: str,
    seed: int,
    truncation: float,
    modality: Modality,
    selection: str,
) -> None:
    """Any prompt: control characters, other scripts, lone surrogates."""
    provenance = Provenance("tastespace-pictures", prompt, seed, "f" * 64, negative, truncation, modality, selection)
    image = _opened(encode_picture(PIXELS, provenance, picture_format))
    assert read(image) == provenance
    if picture_format == "png":
        assert (np.asarray(image) == PIXELS).all()


@pytest.mark.parametrize("picture_format", FORMATS)
def test_long_prompts_are_cut(picture_format: PictureFormat) -> None:
    found = read(_opened(encode_picture(PIXELS, Provenance("m", "\U0001f35c" * 10_000, 1), picture_format)))
    assert found is not None
    assert found.prompt == "\U0001f35c" * MAX_PROMPT


def test_other_programs_find_it_too() -> None:
    png = _opened(encode_picture(PIXELS, Provenance("m", "pho bò", 1)))
    assert png.info["Software"] == "Tastespace, m"
    assert png.info["Description"] == "pho bò"
    assert png.info["Source"] == SOURCE_TYPE
    jpeg = _opened(encode_picture(PIXELS, Provenance("m", "soup", 1), "jpeg")).getexif()
    assert (jpeg[0x0131], jpeg[0x010E]) == ("Tastespace, m", "soup")


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF"])
def test_other_pictures_have_none(image_format: str) -> None:
    assert read(_opened(encode(plate(size=(16, 16)), image_format))) is None


def test_what_is_not_ours_is_not_read() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\x00\x00\x00{}"
    assert read(_opened(encode(plate(size=(16, 16)), exif=exif))) is None
    exif.get_ifd(0x8769)[0x9286] = b"JIS\x00\x00\x00\x00\x00?"
    assert read(_opened(encode(plate(size=(16, 16)), exif=exif))) is None
    for text in (b"[]", b"7", b'{"model": "m", "prompt": "p", "seed": 1, "modality": "smell"}'):
        exif.get_ifd(0x8769)[0x9286] = b"ASCII\x00\x00\x00" + text
        assert read(_opened(encode(plate(size=(16, 16)), exif=exif))) is None


@pytest.mark.fault
@pytest.mark.parametrize(
    "comment",
    [b'{"model": "m", "prompt": "p", "seed": Infinity}', b"[" * 50_000, b'{"seed": "' + b"9" * 5000 + b'"}', b"\xff{"],
)
def test_comments_that_make_no_sense_are_none(comment: bytes) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\x00\x00\x00" + comment
    assert read(_opened(encode(plate(size=(16, 16)), exif=exif))) is None


@pytest.mark.fault
@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
def test_exif_that_is_none_is_not_read(image_format: str) -> None:
    assert read(_opened(encode(plate(size=(16, 16)), image_format, exif=b"Exif\x00\x00no TIFF"))) is None


def test_files_of_before_say_less() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\x00\x00\x00" + b'{"model": "m", "prompt": "p", "seed": 1}'
    found = read(_opened(encode(plate(size=(16, 16)), exif=exif)))
    assert found == Provenance("m", "p", 1, modality="text", selection="")


def test_a_lower_quality_makes_smaller_files() -> None:
    sizes = [len(encode_picture(PIXELS, Provenance("m", "p", 1), "webp", quality=quality)) for quality in (90, 40)]
    assert sizes[0] > sizes[1]


def test_pixels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode_picture(PIXELS[..., 0], Provenance("m", "soup", 1))
