from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.pictures import DecodedPicture, PictureCode, PictureError, PictureLimits, decode, is_drawn, thumbnail
from models.generation.provenance import SOURCE_TYPE, PictureFormat, Provenance
from tests.app.fakes import drawn_file

LIMITS = PictureLimits()
FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
}
RED, GREEN, BLUE, YELLOW = (220, 20, 20), (20, 200, 20), (20, 20, 220), (230, 230, 20)


def quadrants(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green over blue, yellow: every flip and turn shows."""
    image = Image.new("RGB", (width, height))
    half = (width // 2, height // 2)
    for colour, corner in ((RED, (0, 0)), (GREEN, (half[0], 0)), (BLUE, (0, half[1])), (YELLOW, half)):
        image.paste(colour, (*corner, corner[0] + half[0], corner[1] + half[1]))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(picture: DecodedPicture) -> list[str]:
    """The names of the colours at a quarter in from each corner, by rows."""
    names = {RED: "red", GREEN: "green", BLUE: "blue", YELLOW: "yellow"}
    width, height = picture.image.size
    found = []
    for y in (height // 4, height * 3 // 4):
        for x in (width // 4, width * 3 // 4):
            pixel = np.array(picture.image.getpixel((x, y)))
            found.append(min(names, key=lambda colour: float(np.abs(pixel - colour).sum())))
    return [names[colour] for colour in found]


def png(width: int, height: int, data: bytes, bits: int = 8, colour_type: int = 2, extra: bytes = b"") -> bytes:
    """A PNG by hand: ``data`` is what the IDAT chunk holds, compressed here."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def refusal(data: bytes, limits: PictureLimits = LIMITS) -> PictureError:
    with pytest.raises(PictureError) as caught:
        decode(data, limits)
    error = caught.value
    assert str(error) == error.detail
    assert "\n" not in error.detail
    return error


# --- what is taken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_listed_format_is_taken_by_its_bytes(kind: str) -> None:
    picture = decode(encoded(quadrants(), kind), LIMITS)
    assert picture.media_type == FORMATS[kind]
    assert (picture.image.mode, picture.image.size) == ("RGB", (64, 48))
    assert (picture.width, picture.height, picture.animated) == (64, 48, False)
    assert corners(picture) == ["red", "green", "blue", "yellow"]
    assert picture.image.info == {}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1)])
def test_tiny_and_thin_pictures_are_taken(kind: str, size: tuple[int, int]) -> None:
    picture = decode(encoded(Image.new("RGB", size, RED), kind), LIMITS, target_side=224)
    assert picture.image.size == size
    assert Image.open(BytesIO(thumbnail(picture.image, 64))).size in {(1, 1), (1, 64), (64, 1)}


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [quadrants(), Image.new("RGB", (64, 48), "black"), Image.new("RGB", (64, 48), "white")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    picture = decode(data, LIMITS)
    assert picture.animated
    assert corners(picture) == ["red", "green", "blue", "yellow"]


def test_cmyk_is_converted() -> None:
    picture = decode(encoded(quadrants().convert("CMYK"), "JPEG"), LIMITS)
    assert corners(picture) == ["red", "green", "blue", "yellow"]


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_black_and_white_are_converted(mode: str) -> None:
    image = Image.new("L", (40, 40), 255)
    image.paste(0, (0, 0, 20, 40))
    picture = decode(encoded(image.convert(mode), "PNG"), LIMITS)
    assert (picture.image.getpixel((5, 5)), picture.image.getpixel((35, 5))) == ((0, 0, 0), (255, 255, 255))


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(1, 256).repeat(4, axis=0)
    picture = decode(encoded(Image.fromarray(ramp), "PNG"), LIMITS)
    grey = np.asarray(picture.image)[0, :, 0].astype(int)
    assert np.abs(grey - np.arange(256)).max() <= 1


def test_sixteen_bit_grey_with_a_transparent_shade_is_laid_on_white() -> None:
    rows = b"".join(b"\0" + struct.pack(">2H", 0, 40_000) for _ in range(2))
    body = struct.pack(">H", 0)
    key = struct.pack(">I", 2) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))
    picture = decode(png(2, 2, rows, bits=16, colour_type=0, extra=key), LIMITS)
    assert np.asarray(picture.image)[0].tolist() == [[255] * 3, [156] * 3]


def test_sixteen_bit_colour_is_taken() -> None:
    row = b"\0" + struct.pack(">6H", 65_535, 0, 0, 0, 0, 65_535)
    picture = decode(png(2, 1, row, bits=16), LIMITS)
    assert np.asarray(picture.image)[0].tolist() == [[255, 0, 0], [0, 0, 255]]


def transparent_pictures() -> dict[str, bytes]:
    rgba = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    rgba.paste((*RED, 255), (10, 0, 20, 10))
    palette = Image.new("P", (20, 10), 0)
    palette.putpalette([0, 0, 0, *RED])
    palette.paste(1, (10, 0, 20, 10))
    grey = Image.new("LA", (20, 10), (0, 0))
    grey.paste((60, 255), (10, 0, 20, 10))
    keyed = Image.new("RGB", (20, 10), (0, 0, 0))
    keyed.paste(RED, (10, 0, 20, 10))
    return {
        "png rgba": encoded(rgba, "PNG"),
        "webp rgba": encoded(rgba, "WEBP", lossless=True),
        "avif rgba": encoded(rgba, "AVIF"),
        "png palette, one index": encoded(palette, "PNG", transparency=0),
        "png palette, alpha table": encoded(palette, "PNG", transparency=b"\x00\xff"),
        "gif palette": encoded(palette, "GIF", transparency=0),
        "png grey alpha": encoded(grey, "PNG"),
        "png colour key": encoded(keyed, "PNG", transparency=(0, 0, 0)),
    }


@pytest.mark.parametrize("name", transparent_pictures())
def test_transparency_is_laid_on_white(name: str) -> None:
    picture = decode(transparent_pictures()[name], LIMITS)
    pixels = np.asarray(picture.image).astype(int)
    assert pixels[5, 3].tolist() == [255, 255, 255]
    assert abs(pixels[5, 16, 0] - (60 if "grey" in name else RED[0])) < 12


# --- orientation --------------------------------------------------------------------------------------------

UPRIGHT = ["red", "green", "blue", "yellow"]
# How a camera stored the upright picture (EXIF 2.3, tag 0x0112): undoing it must give the upright picture again.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    transpose = STORED[orientation]
    stored = quadrants() if transpose is None else quadrants().transpose(transpose)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(stored, kind, exif=exif), LIMITS)
    assert corners(picture) == UPRIGHT
    assert (picture.width, picture.height) == picture.image.size == (64, 48)
    assert "exif" not in picture.image.info, "nothing may turn it again"


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00II*\x00",
        b"Exif\x00\x00" + bytes(range(200)),
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x02\x00\x00\x00\x04abc\x00\x00\x00\x00\x00",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x63\x00\x00\x00\x00\x00\x00",
    ],
    ids=["cut", "garbage", "text", "out of range"],
)
def test_broken_exif_does_not_cost_the_picture(exif: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = decode(encoded(quadrants(), "JPEG", exif=exif), LIMITS)
    assert corners(picture) == UPRIGHT


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_broken_colour_profile_is_tolerated(kind: str) -> None:
    assert corners(decode(encoded(quadrants(), kind, icc_profile=b"no profile at all"), LIMITS)) == UPRIGHT


# --- the short cut ------------------------------------------------------------------------------------------


def test_a_large_jpeg_is_decoded_smaller_but_keeps_its_true_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = quadrants(3000, 2000).transpose(Image.Transpose.ROTATE_90)
    picture = decode(encoded(stored, "JPEG", exif=exif), LIMITS, target_side=224)
    assert (picture.width, picture.height) == (3000, 2000)
    assert picture.image.size == (750, 500), "a quarter: its shorter side is still over 2 x 224"
    assert corners(picture) == UPRIGHT


@pytest.mark.parametrize("kind", FORMATS)
def test_the_short_cut_never_enlarges_and_changes_no_small_picture(kind: str) -> None:
    data = encoded(quadrants(), kind)
    whole, cut = decode(data, LIMITS), decode(data, LIMITS, target_side=224)
    assert np.array_equal(np.asarray(whole.image), np.asarray(cut.image))


def test_a_cmyk_jpeg_takes_the_short_cut_too() -> None:
    picture = decode(encoded(quadrants(1600, 1200).convert("CMYK"), "JPEG"), LIMITS, target_side=100)
    assert picture.image.size == (400, 300)
    assert corners(picture) == UPRIGHT


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", PictureCode.EMPTY, "empty"),
        (b"Dear service, this is a recipe.", PictureCode.UNSUPPORTED, "not a JPEG, PNG, WebP, GIF or AVIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", PictureCode.UNSUPPORTED, "not a JPEG"),
        (encoded(Image.new("RGB", (4, 4)), "BMP"), PictureCode.UNSUPPORTED, "not a JPEG"),
        (encoded(Image.new("RGB", (4, 4)), "TIFF"), PictureCode.UNSUPPORTED, "not a JPEG"),
        (b"%PDF-1.7\n" + encoded(Image.new("RGB", (4, 4)), "JPEG"), PictureCode.UNSUPPORTED, "not a JPEG"),
        (b"GIF89a/*<script>alert(1)</script>*/=0;", PictureCode.CORRUPT, "GIF"),
        (b"\xff\xd8\xff", PictureCode.CORRUPT, "JPEG"),
        (b"\x89PNG\r\n\x1a\n" + encoded(Image.new("RGB", (4, 4)), "JPEG"), PictureCode.CORRUPT, "PNG"),
        (b"RIFF\x00\x00\x00\x00WEBP", PictureCode.CORRUPT, "WEBP"),
        (b"\x00\x00\x00\x1cftypavif" + bytes(50), PictureCode.CORRUPT, "AVIF"),
        (png(0, 5, b""), PictureCode.CORRUPT, ""),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, code: PictureCode, words: str) -> None:
    error = refusal(data)
    assert error.code is code
    assert words in error.detail


def test_heic_without_its_decoder_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pictures.importlib.util.find_spec", lambda name: None)
    error = refusal(b"\x00\x00\x00\x18ftypheic" + bytes(40))
    assert (error.code, "HEIC" in error.detail) == (PictureCode.UNSUPPORTED, True)


def test_heic_goes_through_the_plugin_class_without_registration() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif (the extra 'heic') is not installed")
    buffer = BytesIO()
    pillow_heif.from_pillow(quadrants()).save(buffer)
    picture = decode(buffer.getvalue(), LIMITS)
    assert picture.media_type == "image/heic"
    assert corners(picture) == UPRIGHT
    assert "HEIF" not in Image.OPEN


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_picture_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for part in (0.1, 0.5, 0.8):
        error = refusal(data[: int(len(data) * part)])
        assert error.code is PictureCode.CORRUPT
        assert "truncated or corrupt" in error.detail


def test_bytes_after_the_picture_are_ignored() -> None:
    assert corners(decode(encoded(quadrants(), "JPEG") + b"PK\x03\x04 a motion photo's film", LIMITS)) == UPRIGHT


def test_limits_are_held_and_named() -> None:
    data = encoded(quadrants(), "PNG")
    error = refusal(data, PictureLimits(max_bytes=len(data) - 1))
    assert error.code is PictureCode.TOO_LARGE
    assert str(len(data)) in error.detail
    assert decode(data, PictureLimits(max_bytes=len(data), max_pixels=64 * 48, max_side=64)).width == 64
    for limits in (PictureLimits(max_pixels=64 * 48 - 1), PictureLimits(max_side=63)):
        error = refusal(data, limits)
        assert error.code is PictureCode.TOO_MANY_PIXELS
        assert "64 x 48" in error.detail


def test_a_bomb_is_refused_by_its_header_without_touching_pillows_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = png(13_000, 13_000, bytes(20_000))
    assert len(bomb) < 20_000
    before = Image.MAX_IMAGE_PIXELS

    def no_decoding(*_: object) -> None:
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", no_decoding)
    error = refusal(bomb)
    assert error.code is PictureCode.TOO_MANY_PIXELS
    assert "13000 x 13000" in error.detail
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_webp_bomb_beyond_pillows_own_limit_is_told_as_such() -> None:
    header = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_382).to_bytes(3, "little") * 2
    error = refusal(b"RIFF" + struct.pack("<I", len(header) + 4) + b"WEBP" + header)
    assert error.code is PictureCode.TOO_MANY_PIXELS


def test_memory_errors_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", exhausted)
    with pytest.raises(MemoryError):
        decode(encoded(quadrants(), "PNG"), LIMITS)


@pytest.mark.parametrize("name", ["max_bytes", "max_pixels", "max_side"])
def test_limits_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        PictureLimits(**{name: 0})


def test_sides_must_be_positive() -> None:
    with pytest.raises(ValueError, match="target_side"):
        decode(encoded(quadrants(), "PNG"), LIMITS, target_side=0)
    with pytest.raises(ValueError, match="side"):
        thumbnail(quadrants(), 0)


# --- thumbnails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "expected"), [((640, 480), (128, 96)), ((480, 640), (96, 128)), ((50, 20), (50, 20))])
def test_thumbnails_keep_their_shape_and_never_grow(size: tuple[int, int], expected: tuple[int, int]) -> None:
    data = thumbnail(quadrants(*size), 128)
    picture = decode(data, LIMITS)
    assert (picture.media_type, picture.image.size) == ("image/webp", expected)
    assert corners(picture) == UPRIGHT


# --- hostile bytes ------------------------------------------------------------------------------------------

SMALL = PictureLimits(max_bytes=100_000, max_pixels=1_000_000, max_side=5_000)
SEEDS = [encoded(quadrants(24, 16), kind) for kind in FORMATS]
SEEDS += [encoded(quadrants(24, 16).convert("P"), "PNG", transparency=b"\x00\x80")]
SEEDS += [
    encoded(quadrants(24, 16), kind, save_all=True, append_images=[quadrants(24, 16).rotate(180)])
    for kind in ("GIF", "PNG", "WEBP")
]
SEEDS += [drawn_file("tomato", kind) for kind in get_args(PictureFormat)]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_file_that_says_it_was_drawn_is_drawn(kind: PictureFormat) -> None:
    data = drawn_file("tomato", kind)
    assert is_drawn(data)
    written_anew = Image.open(BytesIO(data)).convert("RGB")
    written_anew.info.clear()
    assert not is_drawn(encoded(written_anew, kind))


def test_what_only_looks_like_a_drawn_file_is_none() -> None:
    mark, words = Provenance("someone", "soup", seed=1).to_json(), SOURCE_TYPE.encode()
    text = PngInfo()
    text.add_itxt("Source", SOURCE_TYPE)
    text.add_itxt("tastespace", mark[:-1])
    for data in (b"", words, encoded(quadrants(), "PNG") + mark.encode(), encoded(quadrants(), "PNG", pnginfo=text)):
        assert not is_drawn(data)
    drawn = drawn_file("tomato")
    assert not is_drawn(drawn[: drawn.index(b"IDAT")])
    # An animation is none of a generator's, and finding the texts at its end could take as long as somebody likes.
    whole = PngInfo()
    whole.add_itxt("tastespace", mark)
    moving = encoded(quadrants(), "PNG", pnginfo=whole, save_all=True, append_images=[quadrants().rotate(180)])
    assert words in moving
    assert not is_drawn(moving)


SIGNATURES = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBPVP8 ", b"GIF89a", b"\0\0\0\x1cftypavif"]


def survives(data: bytes) -> None:
    """A picture or a PictureError; nothing else, warnings aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = decode(data, SMALL, target_side=8)
        except PictureError as error:
            assert error.detail  # noqa: PT017 - any code will do
        else:
            assert picture.image.mode == "RGB"
            assert picture.width * picture.height <= SMALL.max_pixels
            assert is_drawn(data) in (True, False)


@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_random_bytes_never_raise_anything_else(signature: bytes, data: bytes) -> None:
    survives(signature + data)


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.data())
def test_mutated_files_never_raise_anything_else(seed: bytes, data: st.DataObject) -> None:
    mutated = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        mutated[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mutated)))
    survives(bytes(mutated[:cut] if data.draw(st.booleans()) else mutated))
