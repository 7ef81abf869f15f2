from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import DataError
from models.training.picture_data import PictureTable, ahead, save_sheet
from models.types import UInt8Array


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Wide, narrow and square; red grows to the right, green downwards."""
    folder, paths = tmp_path_factory.mktemp("photos"), []
    for i, (width, height) in enumerate([(120, 60), (40, 90), (64, 64)]):
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        pixels[..., 0], pixels[..., 1] = np.linspace(0, 255, width), np.linspace(0, 255, height)[:, None]
        Image.fromarray(pixels).save(folder / f"{i}.png")
        paths.append(folder / f"{i}.png")
    return paths


@pytest.fixture
def table(photos: list[Path], tmp_path: Path) -> PictureTable:
    return PictureTable(tmp_path / "cache", photos, 32)


def test_the_middle_is_the_middle_at_full_height(table: PictureTable) -> None:
    squares = table.middle_squares(range(3))
    assert squares.shape == (3, 32, 32, 3)
    for square in squares:
        assert abs(float(square[..., 0].mean()) - 127) < 4
    assert squares[0, 0, :, 1].max() < 8
    assert squares[0, -1, :, 1].min() > 247
    mirrored = table.middle_squares(range(3), mirrored=True)
    assert (mirrored == squares[:, :, ::-1]).all()


def test_squares_cut_by_chance_lie_within_the_photo(table: PictureTable) -> None:
    rng = np.random.default_rng(0)
    wide = np.stack([table.random_squares([0], rng)[0] for _ in range(60)])
    near = np.stack([table.framed_squares([0], rng)[0] for _ in range(60)])

    def centres(squares: UInt8Array) -> UInt8Array:
        found: UInt8Array = squares[..., 0].mean((1, 2))
        return found

    assert centres(wide).std() > 1.5 * centres(near).std() > 0
    slopes = np.sign(wide[:, 16, -1, 0].astype(int) - wide[:, 16, 0, 0])
    assert 15 < (slopes > 0).sum() < 45  # about half are mirrored
    again = table.random_squares([0], np.random.default_rng(0))[0]
    assert (again == wide[0]).all()


def test_the_file_is_made_once_and_known_by_its_content(photos: list[Path], tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    first = PictureTable(tmp_path, photos, 32, lambda *step: seen.append(step))
    assert seen == [("photos", 3, 3)]
    again = PictureTable(tmp_path, photos, 32, lambda *step: seen.append(step))
    assert len(seen) == 1
    assert (again.middle_squares([2]) == first.middle_squares([2])).all()
    assert PictureTable(tmp_path, photos[:2], 32).digest != first.digest != PictureTable(tmp_path, photos, 40).digest
    assert len(list(tmp_path.glob("*.npy"))) == 3
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.fault
def test_a_photo_that_cannot_be_read_is_named_and_leaves_no_file(photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        PictureTable(tmp_path / "cache", [*photos, tmp_path / "broken.png"], 32)
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_batches_are_prepared_in_order_and_by_seed(table: PictureTable) -> None:
    batches = [np.array([i % 3, (i + 1) % 3]) for i in range(5)]
    found = list(ahead(batches, (1, 2), table.random_squares))
    naive = [table.random_squares(rows, np.random.default_rng([1, 2, i])) for i, rows in enumerate(batches)]
    assert all((a == b).all() for a, b in zip(found, naive, strict=True))
    assert len(found) == 5


def test_a_sheet_has_its_pictures_row_by_row(tmp_path: Path) -> None:
    pictures = np.stack([np.full((4, 4, 3), value, dtype=np.uint8) for value in (10, 20, 30)])
    save_sheet(tmp_path / "sheet.png", pictures, 2)
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (8, 8, 3)
    assert [sheet[0, 0, 0], sheet[0, 4, 0], sheet[4, 0, 0], sheet[4, 4, 0]] == [10, 20, 30, 255]
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
