from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from models.data import DataError
from models.questions.easy_vqa import build_easy_vqa
from models.reasoning.questions import read_dataset, read_questions
from tests.models.questions.recipe_world import draw

ASKED = [("what color is the shape?", "teal"), ("what shape is present?", "circle"), ("is there a circle?", "yes"),
         ("is no circle present?", "no")]  # fmt: skip


def write_package(folder: Path, pictures: int = 20) -> Path:
    for part in ("train", "test"):
        records = [[text, answer, image] for image in range(pictures) for text, answer in ASKED]
        for image in range(pictures):
            draw(folder / part / "images" / f"{image}.png", image)
        (folder / part / "questions.json").write_text(json.dumps(records))
    return folder


def test_splits_types_and_pictures(tmp_path: Path) -> None:
    summary = build_easy_vqa(tmp_path / "out", source=write_package(tmp_path / "package"))
    questions = read_questions(tmp_path / "out")
    assert len(questions) == 160
    assert {each.type for each in questions} == {"colour", "shape", "presence", "absence"}
    by_split = {split: {each.image for each in questions if each.split == split} for split in ("train", "val", "test")}
    assert {split: len(images) for split, images in by_split.items()} == {"train": 18, "val": 2, "test": 20}
    assert not by_split["train"] & by_split["val"]
    assert all(each.image.is_file() for each in questions)
    assert read_dataset(tmp_path / "out")["types"] == summary.to_json()
    assert build_easy_vqa(tmp_path / "out", source=tmp_path / "package") == summary  # over what is there


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError("no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    build_easy_vqa(tmp_path / "out", source=write_package(tmp_path / "package"))
    assert (tmp_path / "out/images/test/3.png").read_bytes() == (tmp_path / "package/test/images/3.png").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [("[]", "has no questions"), ("{", "can't be read"), ('[["what?", "purple", 0]]', "neither shape")],
)
def test_files_that_are_not_as_expected(tmp_path: Path, content: str, message: str) -> None:
    package = write_package(tmp_path)
    (package / "train" / "questions.json").write_text(content)
    with pytest.raises(DataError, match=message):
        build_easy_vqa(tmp_path / "out", source=package)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    (write_package(tmp_path) / "test/images/7.png").unlink()
    with pytest.raises(DataError, match=r"7\.png is missing"):
        build_easy_vqa(tmp_path / "out", source=tmp_path)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install easy-vqa"):
        build_easy_vqa(tmp_path / "out")
