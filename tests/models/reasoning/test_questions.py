"""The format of questions: read, written, and refused with the place named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import DataError
from models.reasoning.questions import Question, image_root, read_dataset, read_questions, write_questions

_TEXT = st.text(min_size=1, max_size=12).map(str.strip).filter(bool)
_LINE: dict[str, Any] = {
    "id": "1", "image": "a.jpg", "question": "is it rice?", "answers": {"yes": 1}, "type": "ingredient", "split": "val"
}  # fmt: skip


def _write(folder: Path, *changes: dict[str, Any]) -> Path:
    lines = [json.dumps(_LINE | {"id": str(i)} | change) for i, change in enumerate(changes)]
    (folder / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_questions_of_a_split_are_read_in_order(tmp_path: Path) -> None:
    _write(tmp_path, {}, {"split": "train"}, {"answers": {"no": 0.5, "yes": 0.75}})
    found = read_questions(tmp_path, "val")
    assert [each.id for each in found] == ["0", "2"]
    assert found[1] == Question("2", tmp_path / "a.jpg", "is it rice?", {"no": 0.5, "yes": 0.75}, "ingredient", "val")
    assert found[1].best_answer == "yes"
    assert len(read_questions(tmp_path)) == 3


def test_the_best_of_equal_answers_does_not_depend_on_their_order() -> None:
    answers = [{"b": 0.5, "a": 0.5}, {"a": 0.5, "b": 0.5}]
    assert {Question("1", Path("a"), "?", each, "t", "val").best_answer for each in answers} == {"a"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"question": "  "}, "question"),
        ({"type": None}, "type"),
        ({"split": 3}, "split"),
        ({"image": "../a.jpg"}, "image"),
        ({"image": "/a.jpg"}, "image"),
        ({"answers": []}, "answers"),
        ({"answers": {}}, "answers"),
        ({"answers": {" ": 1}}, "answers"),
        ({"answers": {"yes": 0}}, "'yes'"),
        ({"answers": {"yes": 1.5}}, "'yes'"),
        ({"answers": {"yes": True}}, "'yes'"),
        ({"answers": {"yes": float("nan")}}, "'yes'"),
        ({"id": "0"}, "id"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    _write(tmp_path, {}, change)
    with pytest.raises(DataError, match=named) as caught:
        read_questions(tmp_path)
    assert "questions.jsonl:2" in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no questions\.jsonl"):
        read_questions(tmp_path)
    _write(tmp_path, {})
    with pytest.raises(DataError, match="split is 'test'"):
        read_questions(tmp_path, "test")
    (tmp_path / "questions.jsonl").write_text("")
    with pytest.raises(DataError, match="no questions"):
        read_questions(tmp_path)


def test_pictures_may_lie_in_another_folder(tmp_path: Path) -> None:
    _write(tmp_path, {"image": "deep/a.jpg"})
    (tmp_path / "dataset.json").write_text('{"image_root": "../photos", "name": "x"}')
    assert read_questions(tmp_path)[0].image == tmp_path / "../photos/deep/a.jpg"
    assert read_dataset(tmp_path)["name"] == "x"
    (tmp_path / "dataset.json").write_text('{"image_root": "/somewhere"}')
    assert image_root(tmp_path) == Path("/somewhere")


@pytest.mark.parametrize("content", ["[]", "{", '{"image_root": 3}', '{"image_root": ""}'])
def test_a_broken_dataset_file_is_named(tmp_path: Path, content: str) -> None:
    _write(tmp_path, {})
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_questions(tmp_path)


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(_TEXT, st.dictionaries(_TEXT, st.floats(1e-3, 1), min_size=1, max_size=3)), min_size=1, max_size=4
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, given_: list[tuple[str, dict[str, float]]]
) -> None:
    folder = tmp_path_factory.mktemp("questions")
    questions = [
        Question(str(i), folder / f"{i}.png", text, answers, "kind", "train")
        for i, (text, answers) in enumerate(given_)
    ]
    write_questions(folder, questions, {"name": "é"})
    assert read_questions(folder) == questions
    assert read_dataset(folder) == {"name": "é"}


def test_questions_that_could_not_be_read_are_not_written(tmp_path: Path) -> None:
    inside = Question("1", tmp_path / "in" / "a.png", "?", {"a": 1.0}, "t", "train")
    write_questions(tmp_path / "out", [inside], {"image_root": "../in"})
    assert read_questions(tmp_path / "out")[0].image.resolve() == inside.image.resolve()
    with pytest.raises(ValueError, match="outside"):
        write_questions(tmp_path / "out", [inside])
    with pytest.raises(ValueError, match="two questions"):
        write_questions(tmp_path / "in", [inside, inside])
