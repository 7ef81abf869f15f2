import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from models.data import DataError, read_recipe_file, read_recipes


def _write(folder: Path, *records: dict[str, Any] | str) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / "recipes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


WHOLE = {
    "id": "a",
    "title": " Soup ",
    "ingredients": ["water", " "],
    "instructions": ["Boil."],
    "tags": ["Soup/Stew", " "],
    "image": "images/a.webp",
    "split": "train",
}


def test_reads_whole_lines_and_lines_with_photo_and_title_only(tmp_path: Path) -> None:
    bare = {"id": "b", "title": "Cake", "ingredients": [], "instructions": [], "tags": [], "image": "b.webp"}
    first, second = read_recipes(_write(tmp_path, WHOLE, "", bare))
    assert (first.text.title, first.text.ingredients, first.tags) == ("Soup", ("water",), ("Soup/Stew",))
    assert first.image == tmp_path / "images/a.webp"
    assert first.has_body
    assert not second.has_body
    assert second.split == ""


def test_chooses_the_split_and_refuses_an_empty_one(tmp_path: Path) -> None:
    _write(tmp_path, WHOLE, WHOLE | {"id": "b", "split": "val"})
    assert [example.id for example in read_recipes(tmp_path, "val")] == ["b"]
    with pytest.raises(DataError, match="no line whose split is 'test'"):
        read_recipes(tmp_path, "test")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("{not json", "not JSON"),
        ("[1]", "expected a JSON object, found list"),
        (WHOLE | {"id": ""}, "id is missing"),
        (WHOLE | {"title": 3}, "title must be a string, not int"),
        (WHOLE | {"ingredients": "water"}, "ingredients must be a list of strings"),
        (WHOLE | {"tags": [1]}, "tags must be a list of strings"),
        (WHOLE | {"image": "../secret.png"}, "image must be a path inside the folder"),
        (WHOLE | {"image": "/etc/passwd"}, "image must be a path inside the folder"),
        ({"id": "z", "title": " "}, "a recipe needs a title"),
        (WHOLE, "the id 'a' was used on line 1 already"),
    ],
)
def test_a_broken_line_is_named_with_file_line_and_field(
    tmp_path: Path, broken: dict[str, Any] | str, message: str
) -> None:
    _write(tmp_path, WHOLE, broken)
    with pytest.raises(DataError) as raised:
        read_recipes(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'recipes.jsonl'}:2: ")
    assert message in str(raised.value)


def test_a_folder_without_the_file_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no recipes\.jsonl; --data takes the folder that holds it"):
        read_recipes(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_recipe_file(tmp_path / "none.jsonl.gz")


def test_reads_gzip_and_reports_a_truncated_one(tmp_path: Path) -> None:
    path = tmp_path / "more.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        stream.write(json.dumps({"id": "a", "title": "Soup", "ingredients": ["water"]}) + "\n")
    assert read_recipe_file(path)[0].image is None
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match="can't be read"):
        read_recipe_file(path)
