"""``tastespace data``."""

from __future__ import annotations

from pathlib import Path

from models.reasoning.questions import read_questions
from tests.app.cli.conftest import Tastespace
from tests.models.questions.recipe_world import many_recipes
from tests.models.questions.test_easy_vqa import write_package


def test_recipe_vqa(tastespace: Tastespace, tmp_path: Path) -> None:
    recipes = many_recipes(tmp_path, 60)
    result = tastespace("data", "recipe-vqa", "--recipes", recipes, "--out", tmp_path / "out", "--min-photos", 3)
    assert result.exit_code == 0, result.output
    assert "ingredient" in result.output
    assert "50.0 %" in result.output
    assert "Left out: 0 photos that show next to nothing" in result.output
    assert read_questions(tmp_path / "out", "val")


def test_easy_vqa(tastespace: Tastespace, tmp_path: Path) -> None:
    source = write_package(tmp_path / "package")
    result = tastespace("data", "easy-vqa", "--source", source, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "absence" in result.output
    assert len(read_questions(tmp_path / "out", "test")) == 80


def test_a_folder_without_recipes_is_one_sentence(tastespace: Tastespace, tmp_path: Path) -> None:
    result = tastespace("data", "recipe-vqa", "--recipes", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "has no recipes.jsonl" in result.stderr
