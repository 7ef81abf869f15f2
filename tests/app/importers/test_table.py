"""CSV files as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.importers.table import TableReader
from tests.app.importers.helpers import picture_of, read, recipe_of, sole, write


@pytest.mark.parametrize(
    "cell",
    [
        '"[""water"", ""salt""]"',
        "\"['water', 'salt']\"",
        "water|salt",
        '"water; salt"',
        '"water\n\nsalt"',
        '"water\r\nsalt"',
    ],
)
def test_lists_in_a_cell(tmp_path: Path, cell: str) -> None:
    write(tmp_path / "a.csv", f"title,ingredients\nSoup,{cell}\n")
    assert recipe_of(sole(TableReader(tmp_path))).recipe.ingredients == ("water", "salt")


@pytest.mark.parametrize(
    "header",
    ["id,title,ingredients,instructions,tags,image", "ID,Name,Recipe Ingredients,Directions,Keywords,Image_Name"],
)
def test_headers_by_their_usual_names(tmp_path: Path, header: str) -> None:
    write(tmp_path / "images/soup.jpg", b"x")
    write(tmp_path / "a.csv", f'\ufeff{header},Cuisine\ns1,Soup,water|salt,"Boil. Serve.","hot, spicy",soup.jpg,Thai\n')
    item = sole(TableReader(tmp_path))
    recipe = recipe_of(item)
    assert (recipe.id, recipe.recipe.title) == ("s1", "Soup")
    assert recipe.recipe.instructions == ("Boil. Serve.",)
    assert recipe.recipe.tags == ("hot", "spicy")
    assert recipe.recipe.extra == {"Cuisine": "Thai"}
    assert picture_of(item).id == "soup"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    write(tmp_path / "a.csv", f"title{delimiter}ingredients\nSoup, hot{delimiter}water|salt\n")
    recipe = recipe_of(sole(TableReader(tmp_path))).recipe
    assert (recipe.title, recipe.ingredients) == ("Soup, hot", ("water", "salt"))


def test_a_picture_name_may_lack_folder_and_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "images/green-soup.webp", b"x")
    write(tmp_path / "a.csv", "title,image_name\nSoup,green-soup\n")
    assert picture_of(sole(TableReader(tmp_path))).data == path.resolve()


def test_a_row_may_be_a_photo_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", b"x")
    write(tmp_path / "a.csv", "title,image\n,a.jpg\n")
    item = sole(TableReader(tmp_path))
    assert item.bundle.recipe is None
    assert picture_of(item).id == "a"


def test_bad_rows_are_reported_with_their_line(tmp_path: Path) -> None:
    write(
        tmp_path / "a.csv",
        b'title,ingredients\nSoup,"water\nsalt"\nToo,many,cells\n,\n\n" ",\nBad \xff,water\nLong,'
        + b"x" * 200_000
        + b"\nStew,beef\n",
    )
    reader = TableReader(tmp_path)
    items, problems = read(reader)
    assert [recipe_of(item).recipe.title for item in items] == ["Soup", "Stew"]
    assert [problem.source for problem in problems] == ["a.csv:4", "a.csv:8", "a.csv:9"]
    assert all(problem.lost for problem in problems)
    assert reader.count() == 9


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n"])
def test_a_table_of_something_else(tmp_path: Path, content: str) -> None:
    write(tmp_path / "a.csv", content)
    items, problems = read(TableReader(tmp_path))
    assert items == []
    assert "names neither a title nor ingredients" in problems[0].detail


def test_a_list_is_never_evaluated(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "title,ingredients\nSoup,[__import__('os')]\n")
    assert recipe_of(sole(TableReader(tmp_path))).recipe.ingredients == ("[__import__('os')]",)


def test_links_and_paths_out_of_the_folder(tmp_path: Path) -> None:
    outside = write(tmp_path / "out.csv", "title\nSoup\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.csv").symlink_to(outside)
    write(tmp_path / "source/b.csv", "title,image\nSoup,../out.csv|https://example.org/a.jpg\n")
    items, problems = read(TableReader(tmp_path / "source"))
    assert len(items) == 1
    assert [(problem.source, problem.lost) for problem in problems] == [
        ("a.csv", True),
        ("b.csv:2", True),
        ("b.csv:2", False),
    ]
