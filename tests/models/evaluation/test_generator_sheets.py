from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.evaluation.generator_sheets import save_grid


def test_a_grid_shows_each_picture_in_its_place(tmp_path: Path) -> None:
    pictures = [np.full((32, 32, 3), 10 * place, dtype=np.uint8) for place in range(5)]
    save_grid(tmp_path / "grid.png", pictures, ["a", "a caption that is far too long", "", "d", "e"], columns=2)
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size == (2 * 36, 3 * 54)
        for place in range(5):
            assert image.getpixel((place % 2 * 36 + 31, place // 2 * 54 + 31)) == (10 * place,) * 3
        assert image.getpixel((2 * 36 - 1, 3 * 54 - 1)) == (255, 255, 255)


def test_grids_of_nothing_or_without_their_captions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture"):
        save_grid(tmp_path / "grid.png", [], [])
    with pytest.raises(ValueError, match="shorter"):
        save_grid(tmp_path / "grid.png", [np.zeros((8, 8, 3), dtype=np.uint8)] * 2, ["one"])


def test_a_caption_with_accents_is_written_without_them(tmp_path: Path) -> None:
    picture = [np.zeros((96, 96, 3), dtype=np.uint8)]
    for name, caption in (("accents", "Phở Bò, crème"), ("plain", "Pho Bo, creme")):
        save_grid(tmp_path / f"{name}.png", picture, [caption])
    assert (tmp_path / "accents.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
