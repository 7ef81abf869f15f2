"""``tastespace search``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.app.cli.conftest import Tastespace
from tests.app.fakes import FakeEngine, picture
from tests.app.importers.helpers import write, write_lines


@pytest.fixture
def filled(tastespace: Tastespace, tmp_path: Path) -> Tastespace:
    """Three dishes with a photo each."""
    source = tmp_path / "source"
    lines = []
    for food in ("tomato", "rice", "pasta"):
        write(source / f"{food}.png", picture(food))
        lines.append({"id": food, "title": food, "ingredients": [food], "tags": [food, "dish"], "image": f"{food}.png"})
    write_lines(source / "recipes.jsonl", lines)
    assert tastespace("import", source).exit_code == 0
    return tastespace


def ids(output: str) -> list[str]:
    return [hit["id"] for hit in json.loads(output)["hits"]]


def test_each_kind_of_query(filled: Tastespace, tmp_path: Path) -> None:
    photo = write(tmp_path / "query.png", picture("rice"))
    plain = write(tmp_path / "plain.json", json.dumps({"ingredients": ["pasta"]}))
    linked = write(tmp_path / "linked.json", json.dumps({"@type": "Recipe", "name": "tomato"}))
    for arguments, first in (
        (("recipes", "--photo", photo), "rice"),
        (("recipes", "--text", "pasta"), "pasta"),
        (("images", "--recipe", plain), "pasta"),
        (("images", "--recipe", linked), "tomato"),
        (("images", "--tag", "rice", "--not-tag", "pasta"), "rice"),
    ):
        result = filled("search", *arguments, "--json")
        assert result.exit_code == 0, result.output
        assert ids(result.stdout)[0] == first
    assert ids(filled("search", "images", "--tag", "rice", "--not-tag", "pasta", "--json").stdout)[-1] == "pasta"


def test_filters_and_k(filled: Tastespace) -> None:
    found = filled("search", "recipes", "--text", "rice", "--only-tag", "DISH", "--without-tag", "rice", "--json")
    assert set(ids(found.stdout)) == {"tomato", "pasta"}
    assert len(ids(filled("search", "recipes", "--text", "rice", "-k", "1", "--json").stdout)) == 1


def test_drawn_pictures_can_be_left_out(filled: Tastespace, tmp_path: Path) -> None:
    line = {"kind": "image", "id": "drawn", "title": "d", "images": [{"file": "drawn.png", "generated": True}]}
    write(tmp_path / "more" / "drawn.png", picture("meat"))
    write_lines(tmp_path / "more" / "recipes.jsonl", [line])
    assert filled("import", tmp_path / "more").exit_code == 0
    for option, expected in (
        ((), {"drawn", "tomato", "rice", "pasta"}),
        (("--generated",), {"drawn"}),
        (("--not-generated",), {"tomato", "rice", "pasta"}),
    ):
        assert set(ids(filled("search", "images", "--text", "meat", *option, "--json").stdout)) == expected
    hits = json.loads(filled("search", "images", "--text", "meat", "--json").stdout)["hits"]
    assert {hit["id"] for hit in hits if hit["generated"]} == {"drawn"}
    rows = filled("search", "images", "--text", "meat").stdout.splitlines()
    assert [row for row in rows if "(drawn)" in row] == [row for row in rows if " drawn " in row] != []
    assert "generated" not in json.loads(filled("search", "recipes", "--text", "rice", "--json").stdout)["hits"][0]
    refused = filled("search", "recipes", "--text", "meat", "--not-generated")
    assert refused.exit_code == 1
    assert "generated is a condition on photos" in refused.stderr


def test_filters_by_caption(filled: Tastespace, tmp_path: Path) -> None:
    write(tmp_path / "more" / "dogs.png", picture("meat"))
    write_lines(tmp_path / "more" / "recipes.jsonl", [{"title": "d", "image": "dogs.png", "captions": ["Two dogs"]}])
    assert filled("import", tmp_path / "more").exit_code == 0
    ask = ("search", "images", "--text", "rice", "--json")
    assert ids(filled(*ask, "--caption", "two dog", "--caption", "dogs").stdout) == ["dogs"]
    assert set(ids(filled(*ask, "--no-caption", "dogs").stdout)) == {"tomato", "rice", "pasta"}
    refused = filled("search", "recipes", "--text", "rice", "--caption", "dogs")
    assert (refused.exit_code, "is a condition on photos" in refused.stderr) == (1, True)


def test_filters_by_ingredient(filled: Tastespace, tmp_path: Path) -> None:
    lines = [{"id": "noodles", "title": "noodles", "ingredients": ["2 green onions", "pasta"]}]
    write_lines(tmp_path / "more" / "recipes.jsonl", lines)
    assert filled("import", tmp_path / "more").exit_code == 0
    ask = ("search", "recipes", "--text", "rice", "--json")
    assert set(ids(filled(*ask, "--ingredient", "Pasta").stdout)) == {"pasta", "noodles"}
    assert set(ids(filled(*ask, "--ingredient", "pasta", "--no-ingredient", "green onion").stdout)) == {"pasta"}
    assert ids(filled(*ask, "--ingredient", "scallion").stdout) == []
    widened = filled(*ask, "--ingredient", "scallion", "--expand-ingredients").stdout
    assert ids(widened) == ["noodles"]
    assert "green onion" in json.loads(widened)["expanded_ingredients"]["scallion"]
    table = filled("search", "recipes", "--text", "rice", "--ingredient", "scallion", "--expand-ingredients")
    assert "scallion: scallion, green onion" in table.stdout
    refused = filled(*ask, "--ingredient", "-")
    assert refused.exit_code == 1
    assert "no letter or digit" in refused.output


def test_the_table(filled: Tastespace) -> None:
    result = filled("search", "recipes", "--text", "rice")
    assert result.exit_code == 0
    row = next(row for row in result.stdout.splitlines() if "rice" in row)
    assert row.strip("│").split()[0] == "1"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["dishes", "--text", "x"], 2, "dishes"),
        (["recipes"], 2, "exactly one of"),
        (["recipes", "--text", "x", "--tag", "y"], 2, "exactly one of"),
        (["recipes", "--text", "x", "--not-tag", "y"], 2, "--not-tag needs a --tag"),
        (["recipes", "--text", "x", "-k", "0"], 2, "-k"),
        (["recipes", "--text", " "], 2, "--text is blank"),
        (["recipes", "--photo", "{tmp}/none.png"], 1, "No such file"),
        (["recipes", "--photo", "{tmp}/bad.json"], 1, "this is not a JPEG"),
        (["recipes", "--recipe", "{tmp}/bad.json"], 1, "can't be read as a recipe"),
        (["recipes", "--recipe", "{tmp}/list.json"], 1, "not a JSON object"),
        (["recipes", "--recipe", "{tmp}/empty.json"], 1, "needs a title"),
        (["images", "--tag", "x", "--not-tag", "x"], 1, "cancel"),
        (["images", "--text", "unfit"], 1, "unfit"),
        (["images", "rice", "--text", "x"], 2, "pictures of --photo only"),
        (["images", "rice", "--photo", "{tmp}/bad.json"], 1, "uploaded picture 1 is not used"),
        (["images", "--photo", "{tmp}/a.png", "--photo", "{tmp}/b.png"], 2, "give an expression"),
        (["images", "--text", "x", "--strategy", "best_score"], 2, "need an expression"),
        (["images", "rice", "--strategy", "worst_score"], 2, "weighted_sum, text_difference, best_score"),
        (["images", "rice", "--balance", "1"], 2, "strictly between 0 and 1"),
        (["images", "--", "- rice"], 1, "only subtracts"),
        (["images", "rice - rice"], 1, "cancel"),
    ],
)
def test_errors_are_one_sentence(
    filled: Tastespace, tmp_path: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    for name, content in (("bad", "{"), ("list", "[]"), ("empty", '{"title": 3}')):
        write(tmp_path / f"{name}.json", content)
    result = filled("search", *(argument.format(tmp=tmp_path) for argument in arguments))
    assert result.exit_code == exit_code, result.output
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_expressions_with_and_without_pictures(filled: Tastespace, tmp_path: Path) -> None:
    rice = write(tmp_path / "query-rice.png", picture("rice", "tomato"))
    pasta = write(tmp_path / "query-pasta.png", picture("pasta"))
    for arguments, first in (
        (("images", "rice - tomato"), "rice"),
        (("images", "2:pasta + tomato - @recipe/rice", "--strategy", "weighted_sum"), "pasta"),
        (("recipes", "photo - tomato", "--photo", rice), "rice"),
        (("recipes", "photo - photo2 + 0.1:tomato", "--photo", rice, "--photo", pasta), "tomato"),
        (("recipes", "--strategy", "best_score", "--", "- rice - pasta"), "tomato"),
        (("images", "photo + pasta", "--photo", rice, "--balance", "0.95"), "pasta"),
    ):
        result = filled("search", "--json", *arguments)
        assert result.exit_code == 0, result.output
        assert ids(result.stdout)[0] == first, arguments
    found = json.loads(filled("search", "images", "photo + pasta", "--photo", pasta, "--json").stdout)["hits"]
    assert "pasta" not in {hit["id"] for hit in found}, "the photo itself is stored and left out"
    for hit in found:
        assert [term["term"] for term in hit["terms"]] == ["photo", "pasta"]
        assert sum(term["contribution"] for term in hit["terms"]) == pytest.approx(hit["score"], abs=1e-3)


def test_the_table_shows_what_each_term_gave(filled: Tastespace) -> None:
    result = filled("search", "images", "rice - 0.5:tomato", "--strategy", "weighted_sum")
    assert result.exit_code == 0
    row = next(row for row in result.stdout.splitlines() if "tomato" in row and row.strip("│").split()[0] == "1")
    assert re.search(r"rice \+0\.\d{3}, tomato [+-]0\.\d{3}", row)


@pytest.mark.parametrize(
    ("expression", "exit_code", "message", "pointed"),
    [
        ("rice + - tomato", 2, "second operator", "-"),
        ("rice + (寿司 -tomato", 2, "space after it", "-tomato"),
        ("rice\t+ photo2", 1, "photo2 needs 2 uploaded pictures, but none was sent", "photo2"),
        ("rice - @none", 1, "no photo or recipe has the id 'none'", "@none"),
        ("rice - @recipe/none", 1, "no recipe has the id 'none'", "@recipe/none"),
        ("rice + unfit", 1, "unfit", "unfit"),
    ],
)
def test_errors_point_into_the_expression(
    filled: Tastespace, expression: str, exit_code: int, message: str, pointed: str
) -> None:
    result = filled("search", "images", expression)
    assert result.exit_code == exit_code, result.output
    lines = result.stderr.splitlines()
    assert message in lines[0]
    assert cell_len(lines[-1][:-1]) == cell_len(lines[-2][: lines[-2].rindex(pointed)])
    assert lines[-1].endswith("^")


def test_an_empty_folder_is_not_made_a_catalogue(tastespace: Tastespace, tmp_path: Path, engine: FakeEngine) -> None:
    result = tastespace("search", "recipes", "--text", "x")
    assert result.exit_code == 1
    assert "there is no catalogue" in result.stderr
    assert not (tmp_path / "data").exists()
    assert engine.encoded == []
