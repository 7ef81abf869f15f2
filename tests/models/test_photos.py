from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.pictures import PictureLimits, decode
from models.data import DataError
from models.photos import encode_photos, open_photo, photo_digest
from tests.models.tag_world import ColourEncoder, write_world

NOISE = np.random.default_rng(0).integers(0, 256, (6, 9, 4), dtype=np.uint8)


def _upside_down(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(NOISE[..., :3]).save(path, exif=exif)


def _transparent(path: Path) -> None:
    Image.fromarray(NOISE).save(path)


def _palette(path: Path) -> None:
    image = Image.fromarray(NOISE[..., :3]).quantize(8)
    image.save(path, transparency=2)


def _grey(path: Path) -> None:
    Image.fromarray(NOISE[..., 0]).save(path)


@pytest.mark.parametrize("write", [_upside_down, _transparent, _palette, _grey])
def test_photos_are_decoded_as_uploads_are(write: object, tmp_path: Path) -> None:
    assert callable(write)
    path = tmp_path / "photo.png"
    write(path)
    uploaded = decode(path.read_bytes(), PictureLimits()).image
    opened = open_photo(path)
    assert opened.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(opened), np.asarray(uploaded))


@pytest.mark.fault
def test_what_is_no_photo_is_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    _transparent(whole)
    content = whole.read_bytes()
    broken = content[:60] + bytes(b ^ 255 for b in content[60:])
    for name, data in (("text.png", b"not a picture"), ("cut.png", content[:70]), ("broken.png", broken)):
        (tmp_path / name).write_bytes(data)
    for name in ("text.png", "cut.png", "broken.png", "missing.png"):
        with pytest.raises(DataError, match=rf"{name} can't be read as a picture"):
            open_photo(tmp_path / name)
    with pytest.raises(DataError, match=r"missing\.png can't be read"):
        photo_digest(tmp_path / "missing.png")


def test_photos_are_encoded_in_their_order(tmp_path: Path) -> None:
    data = write_world(tmp_path, train=70, val=0)
    photos = [data / f"{number}.png" for number in range(70)]
    encoder = ColourEncoder()
    seen: list[tuple[str, int, int]] = []
    rows = encode_photos(encoder, photos, lambda *step: seen.append(step))
    assert seen == [("photos", 64, 70), ("photos", 70, 70)]
    np.testing.assert_allclose(
        rows[[0, 64, 69]], encode_photos(encoder, [photos[row] for row in (0, 64, 69)]), atol=1e-6
    )
