"""recipes.jsonl with its pictures."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from app.importers.folder import MAX_LINE_BYTES, FolderReader
from index.types import PictureCaption, Recipe
from tests.app.importers.helpers import picture_of, read, recipe_of, sole, write, write_lines

SOUP: dict[str, Any] = {
    "id": "soup",
    "title": "Soup",
    "ingredients": ["water", " salt "],
    "instructions": ["Boil."],
    "tags": ["Hot", "hot"],
    "image": "images/soup.webp",
    "split": "train",
}


def reader(folder: Path, *lines: Any) -> FolderReader:
    return FolderReader(folder, write_lines(folder / "recipes.jsonl", lines))


def test_a_whole_line_is_a_recipe_with_its_photo(tmp_path: Path) -> None:
    path = write(tmp_path / "images/soup.webp", b"x")
    item = sole(reader(tmp_path, SOUP))
    recipe, picture = recipe_of(item), picture_of(item)
    assert item.source == "recipes.jsonl:1"
    assert recipe.id == "soup"
    assert recipe.recipe == Recipe(
        title="Soup",
        ingredients=("water", "salt"),
        instructions=("Boil.",),
        tags=("Hot",),
        extra={"split": "train"},
    )
    assert recipe.image_ids == ()
    assert (picture.id, picture.data, picture.title, picture.tags) == ("soup", path.resolve(), "Soup", ("Hot",))


def test_a_photo_with_a_title_alone_is_no_recipe(tmp_path: Path) -> None:
    write(tmp_path / "images/soup.webp", b"x")
    item = sole(reader(tmp_path, SOUP | {"id": "photo-1", "ingredients": [], "instructions": []}))
    assert item.bundle.recipe is None
    picture = picture_of(item)
    assert (picture.id, picture.title, picture.extra) == ("photo-1", "Soup", {"split": "train"})


def test_a_title_alone_is_a_recipe_and_keeps_its_links(tmp_path: Path) -> None:
    recipe = recipe_of(sole(reader(tmp_path, {"id": "soup", "title": "Soup"})))
    assert recipe.recipe == Recipe(title="Soup")
    assert recipe.image_ids is None


def test_kind_overrides(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", b"x")
    items, problems = read(
        reader(
            tmp_path,
            {"kind": "recipe", "id": "r", "title": "Soup", "image": "a.jpg"},
            {"kind": "image", "id": "p", "title": "Soup", "ingredients": ["water"], "image": "a.jpg"},
            {"kind": "image", "id": "q"},
            {"kind": "video", "id": "q", "title": "x"},
        )
    )
    assert [item.bundle.recipe is not None for item in items] == [True, False]
    assert ["names no picture" in problems[0].detail, "kind is 'video'" in problems[1].detail] == [True, True]


def test_several_photos_with_descriptions_of_their_own(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        write(tmp_path / name, b"x")
    images = [
        {"file": "b.jpg", "id": "second", "title": "", "tags": ["x"], "generated": True, "extra": {"by": "me"}},
        "a.jpg",
    ]
    item = sole(reader(tmp_path, SOUP | {"image": "a.jpg", "images": images, "extra": {"cuisine": "Thai"}}))
    first, second = item.bundle.pictures
    assert (first.id, first.title, first.tags, first.generated, first.extra) == (
        "second",
        "",
        ("x",),
        True,
        {"by": "me"},
    )
    assert (second.id, second.title) == ("a", "Soup")
    assert recipe_of(item).recipe.extra == {"cuisine": "Thai"}


def test_a_file_that_two_lines_name_is_one_photo(tmp_path: Path) -> None:
    write(tmp_path / "images/soup.webp", b"x")
    items, problems = read(reader(tmp_path, SOUP, SOUP | {"id": "broth", "title": "Broth"}))
    assert problems == []
    assert picture_of(items[0]) == picture_of(items[1])


def test_files_of_one_stem_are_two_photos(tmp_path: Path) -> None:
    for name in ("a/soup.jpg", "b/soup.jpg"):
        write(tmp_path / name, b"x")
    lines = [SOUP | {"id": name, "image": f"{name}/soup.jpg"} for name in ("a", "b")]
    items, problems = read(reader(tmp_path, *lines))
    ids = [picture_of(item).id for item in items]
    assert ids[0] == "soup"
    assert ids[1] is not None
    assert ids[1].startswith("soup-")
    assert [problem.lost for problem in problems] == [False]
    assert [picture_of(item).id for item in read(reader(tmp_path, *lines))[0]] == ids


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expecting"),
        ("[]", "not a JSON object"),
        ('{"title": NaN}', "not JSON"),
        ({"title": 3}, "title must be a text"),
        ({"title": "x", "ingredients": [1]}, "ingredients must be a list"),
        ({"title": "x", "tags": {}}, "tags must be a list"),
        ({"id": True, "title": "x"}, "id must be a text"),
        ({"id": "x"}, "no title"),
        ({"title": "x", "extra": []}, "extra must be an object"),
        ({"title": "x", "images": "a.jpg"}, "images must be a list"),
        ({"title": "x", "images": [{"id": "a"}]}, "images must be a list"),
        ({"title": "x", "image": ["a.jpg"]}, "image must be a text"),
        ({"title": "x", "image": "a.jpg", "captions": [3]}, "captions must be a list of texts"),
        ({"title": "x", "image": "a.jpg", "captions": {"style": "dish"}}, "captions must be a list of texts"),
        ({"title": "x", "image": "a.jpg", "captions": [{"text": "x", "style": 1}]}, "style must be a text"),
    ],
)
def test_a_bad_line_is_reported_and_the_next_is_read(tmp_path: Path, line: Any, message: str) -> None:
    write(tmp_path / "a.jpg", b"x")
    items, problems = read(reader(tmp_path, line, "", {"id": "soup", "title": "Soup"}))
    assert [recipe_of(item).id for item in items] == ["soup"]
    assert [(problem.source, problem.lost) for problem in problems] == [("recipes.jsonl:1", True)]
    assert message in problems[0].detail


def test_lines_that_are_no_text(tmp_path: Path) -> None:
    path = write(
        tmp_path / "recipes.jsonl", b'\xff\xfe\n{"title": "' + b"x" * MAX_LINE_BYTES + b'"}\n{"title": "Soup"}'
    )
    items, problems = read(FolderReader(tmp_path, path))
    assert len(items) == 1
    assert ["not UTF-8" in problems[0].detail, "longer than" in problems[1].detail] == [True, True]


@pytest.mark.parametrize("image", ["../secret.jpg", "/etc/passwd", "missing.jpg", "link.jpg"])
def test_a_picture_outside_costs_the_picture_alone(tmp_path: Path, image: str) -> None:
    write(tmp_path / "secret.jpg", b"secret")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/link.jpg").symlink_to(tmp_path / "secret.jpg")
    items, problems = read(reader(tmp_path / "source", SOUP | {"image": image}))
    assert items[0].bundle.pictures == ()
    assert recipe_of(items[0]).image_ids is None
    assert [problem.lost for problem in problems] == [True]


def test_a_picture_on_the_network_is_a_note(tmp_path: Path) -> None:
    items, problems = read(reader(tmp_path, SOUP | {"image": "https://example.org/soup.jpg"}))
    assert len(items) == 1
    assert [problem.lost for problem in problems] == [False]


def test_gzip_and_its_damage(tmp_path: Path) -> None:
    data = gzip.compress(b'{"id": "a", "title": "A"}\n' * 1 + b'{"id": "b", "title": "B"}\n', mtime=0)
    whole = FolderReader(tmp_path, write(tmp_path / "recipes.jsonl.gz", data))
    assert len(read(whole)[0]) == 2
    assert whole.count() == 2
    broken = FolderReader(tmp_path, write(tmp_path / "broken.jsonl.gz", data[:-10]))
    assert any("can't be read past line" in problem.detail for problem in read(broken)[1])
    assert broken.count() == 0


def test_items_without_an_id_get_one_from_their_text(tmp_path: Path) -> None:
    line = {key: value for key, value in SOUP.items() if key not in ("id", "image")}
    first = recipe_of(sole(reader(tmp_path, line))).id
    again = recipe_of(read(reader(tmp_path, {"id": "x", "title": "X"}, line))[0][1]).id
    assert first == again
    assert first is not None
    assert first.startswith("soup-")


def test_captions_belong_to_photos(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write(tmp_path / name, b"x")
    made = {"text": " tomato soup ", "style": "dish", "model": "captioner"}
    items, problems = read(
        reader(
            tmp_path,
            {"id": "p", "title": "Soup", "image": "a.jpg", "captions": ["From above", "", made]},
            SOUP | {"id": "r", "image": "b.jpg", "captions": "A bowl"},
            {"id": "s", "ingredients": ["salt"], "captions": ["of the line"], "images": [{"file": "c.jpg"}]},
            {
                "id": "t",
                "ingredients": ["salt"],
                "captions": ["x"],
                "images": [{"file": "c.jpg", "id": "t", "captions": []}],
            },
            {"id": "bare", "title": "Soup", "captions": ["nobody's"]},
        )
    )
    assert problems == []
    own = [picture.captions for item in items for picture in item.bundle.pictures]
    assert own == [
        (PictureCaption("From above"), PictureCaption("tomato soup", "dish", "captioner")),
        (PictureCaption("A bowl"),),
        (PictureCaption("of the line"),),
        (),
    ]
    assert [picture.extra for item in items for picture in item.bundle.pictures] == [{}] * 4
    assert [recipe_of(item).recipe.extra for item in items[1:]] == [
        {"split": "train"},
        {},
        {},
        {"captions": ["nobody's"]},
    ]
