"""Questions of a small world of recipes: right, balanced, without leaks, the same every time."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from models.data import DataError
from models.questions.recipe_vqa import PARAPHRASED, BuiltQuestions, build_recipe_vqa
from models.questions.wordings import UNSEEN, WORDINGS
from models.reasoning.questions import Question, read_dataset, read_questions
from tests.models.questions.recipe_world import many_recipes, write_recipes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, BuiltQuestions]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "recipes").mkdir()
    recipes, out = many_recipes(folder / "recipes"), folder / "out"
    return recipes, out, build_recipe_vqa(recipes, out, min_photos=3)


@pytest.fixture(scope="module")
def questions(world: tuple[Path, Path, BuiltQuestions]) -> list[Question]:
    return read_questions(world[1])


def texts(recipes: Path) -> dict[str, str]:
    records = map(json.loads, (recipes / "recipes.jsonl").read_text().splitlines())
    return {record["id"]: " ".join([record["title"], *record["ingredients"]]).lower() for record in records}


def test_yes_and_no_are_balanced_for_each_ingredient_and_true(
    world: tuple[Path, Path, BuiltQuestions], questions: list[Question]
) -> None:
    said = texts(world[0])
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for question in questions:
        if question.type == "ingredient":
            recipe, _, _, ingredient = question.id.split(":")
            counts[question.split, ingredient][question.best_answer] += 1
            assert (ingredient in said[recipe]) == (question.best_answer == "yes")
    assert len(counts) > 10
    assert all(count["yes"] == count["no"] for count in counts.values())


def test_a_choice_has_the_answer_among_four(
    world: tuple[Path, Path, BuiltQuestions], questions: list[Question]
) -> None:
    said, places = texts(world[0]), Counter[int]()
    for question in questions:
        if question.type == "choice" and question.split == "train":
            recipe = question.id.split(":")[0]
            options = question.question.rpartition(": ")[2].rstrip("?").replace(" or ", ", ").split(", ")
            assert [option for option in options if option in said[recipe]] == [question.best_answer]
            assert len(options) == 4
            places[options.index(question.best_answer)] += 1
    assert min(places.values()) > 0.15 * places.total()


def test_photos_of_one_split_have_questions_of_that_split(questions: list[Question]) -> None:
    train = {question.image for question in questions if question.split == "train"}
    val = {question.image for question in questions if question.split in ("val", PARAPHRASED)}
    assert train
    assert val
    assert not train & val
    assert all(question.image.is_file() for question in questions)


def test_validation_is_asked_again_in_words_that_training_lacks(questions: list[Question]) -> None:
    by_split = {
        split: [(each.image, each.type, each.best_answer) for each in questions if each.split == split]
        for split in ("val", PARAPHRASED)
    }
    assert by_split["val"] == by_split[PARAPHRASED]
    known = {each.question for each in questions if each.split != PARAPHRASED}
    assert not known & {each.question for each in questions if each.split == PARAPHRASED}


def test_every_type_has_wordings_and_unseen_ones() -> None:
    assert WORDINGS.keys() == UNSEEN.keys()
    for kind, wordings in WORDINGS.items():
        assert len(set(wordings)) >= 5
        assert not set(wordings) & set(UNSEEN[kind])


def test_the_summary_counts_what_was_written(
    world: tuple[Path, Path, BuiltQuestions], questions: list[Question]
) -> None:
    rows = {(row.split, row.type): row for row in world[2].summary.rows}
    assert rows["train", "all"].questions == sum(each.split == "train" for each in questions)
    assert rows["train", "ingredient"].majority_share == 0.5
    assert rows["train", "taste"].majority_share == 0.5
    about = read_dataset(world[1])
    assert about["name"] == "recipe-vqa"
    assert about["types"] == world[2].summary.to_json()
    assert not Path(about["image_root"]).is_absolute()


def test_the_same_seed_gives_the_same_file(world: tuple[Path, Path, BuiltQuestions], tmp_path: Path) -> None:
    same, other = tmp_path / "same", tmp_path / "other"
    build_recipe_vqa(world[0], same, min_photos=3)
    build_recipe_vqa(world[0], other, min_photos=3, seed=1)
    written = (world[1] / "questions.jsonl").read_bytes()
    assert (same / "questions.jsonl").read_bytes() == written
    assert (other / "questions.jsonl").read_bytes() != written


def test_without_training_photos_there_is_nothing_to_ask(tmp_path: Path) -> None:
    write_recipes(tmp_path, [{"title": "Pea Soup", "ingredients": ["peas"], "split": "val"}])
    with pytest.raises(DataError, match="no photos of split 'train'"):
        build_recipe_vqa(tmp_path, tmp_path / "out")


def test_too_few_photos_make_no_question(tmp_path: Path) -> None:
    write_recipes(tmp_path, [{"title": "Pea Soup", "ingredients": ["peas"]}])
    with pytest.raises(DataError, match="no question could be made"):
        build_recipe_vqa(tmp_path, tmp_path / "out")
