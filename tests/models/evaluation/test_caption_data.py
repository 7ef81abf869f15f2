"""Reading photos with captions; what is broken is named by file, line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.data import DataError
from models.evaluation.caption_data import CaptionedPhoto, natural_style, read_captioned

LINE: dict[str, Any] = {"id": "a", "image": "images/a.webp", "captions": ["A dog .", "  ", "Dogs"], "split": "val"}


def write(folder: Path, *lines: object) -> Path:
    (folder / "captions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def test_a_photo_and_its_captions(tmp_path: Path) -> None:
    data = write(tmp_path, LINE, LINE | {"id": "b", "split": "train"})
    assert natural_style(data) == "general"
    expected = CaptionedPhoto("a", tmp_path / "images/a.webp", ("A dog .", "Dogs"), "val")
    assert read_captioned(data, "val", "general") == [expected]
    assert read_captioned(data, "val", "dish") == [expected]  # there are no titles to read instead


def test_titles_as_captions(tmp_path: Path) -> None:
    recipes = [
        {"id": "soup", "title": "Soup", "image": "soup.webp", "split": "val"},
        {"id": "no photo", "title": "Soup", "split": "val"},
        {"id": "no title", "ingredients": ["salt"], "image": "salt.webp", "split": "val"},
    ]
    (tmp_path / "recipes.jsonl").write_text("".join(f"{json.dumps(recipe)}\n" for recipe in recipes))
    assert natural_style(tmp_path) == "dish"
    expected = [CaptionedPhoto("soup", tmp_path / "soup.webp", ("Soup",), "val")]
    assert read_captioned(tmp_path, "val", "dish") == expected
    assert read_captioned(tmp_path, "val", "general") == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "id must be a string"),
        ({"id": 3}, "id must be a string"),
        ({"image": None}, "image must be a string"),
        ({"image": "/etc/a.png"}, "image must be a path inside the folder"),
        ({"image": "../a.png"}, "image must be a path inside the folder"),
        ({"captions": "A dog"}, "captions must be a list of strings"),
        ({"captions": [1]}, "captions must be a list of strings"),
        ({"captions": [" "]}, "captions needs at least one that is not blank"),
    ],
)
def test_a_broken_line_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    data = write(tmp_path, LINE | {"id": "first"}, LINE | change)
    with pytest.raises(DataError, match=rf"captions\.jsonl:2: {message}"):
        read_captioned(data, "val", "general")


def test_what_is_no_json_or_twice_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"captions\.jsonl:2: the id 'a' was used on line 1 already"):
        read_captioned(write(tmp_path, LINE, LINE), "val", "general")
    with pytest.raises(DataError, match="expected a JSON object, found list"):
        read_captioned(write(tmp_path, [1]), "val", "general")
    (tmp_path / "captions.jsonl").write_text("\n{")
    with pytest.raises(DataError, match=r"captions\.jsonl:2: not JSON"):
        read_captioned(tmp_path, "val", "general")
    (tmp_path / "captions.jsonl").write_bytes(b"\xff")
    with pytest.raises(DataError, match="can't be read"):
        read_captioned(tmp_path, "val", "general")
