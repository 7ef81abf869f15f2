"""A folder of pictures."""

from __future__ import annotations

from pathlib import Path

from app.importers.pictures import PicturesReader
from tests.app.importers.helpers import picture_of, read, write


def test_ids_titles_and_tags(tmp_path: Path) -> None:
    for name in ("green_soup.JPG", "pasta/01.png", "images/x.webp", "notes.txt"):
        write(tmp_path / name, b"x")
    items, problems = read(PicturesReader(tmp_path))
    assert problems == []
    found = {(picture.id, picture.title, picture.tags) for picture in map(picture_of, items)}
    assert found == {("green_soup", "green soup", ()), ("pasta-01", "01", ("pasta",)), ("images-x", "x", ())}
    assert all(item.bundle.recipe is None for item in items)
    assert PicturesReader(tmp_path).count() == 3


def test_folder_tags_are_optional(tmp_path: Path) -> None:
    write(tmp_path / "pasta/01.png", b"x")
    (item,), _ = read(PicturesReader(tmp_path, folder_tags=False))
    assert picture_of(item).tags == ()


def test_names_that_differ_in_the_suffix_alone(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        write(tmp_path / name, b"x")
    items, problems = read(PicturesReader(tmp_path))
    assert len({picture_of(item).id for item in items}) == 2
    assert [problem.lost for problem in problems] == [False]


def test_a_link_out_of_the_folder_is_reported(tmp_path: Path) -> None:
    outside = write(tmp_path / "secret.jpg", b"x")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.jpg").symlink_to(outside)
    items, problems = read(PicturesReader(tmp_path / "source"))
    assert items == []
    assert "symbolic link" in problems[0].detail
