"""schema.org recipes in files and saved pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.importers.jsonld import JsonLdReader
from tests.app.importers.helpers import picture_of, read, recipe_of, sole, write


def recipe(**properties: Any) -> dict[str, Any]:
    return {"@context": "https://schema.org", "@type": "Recipe", "name": "Soup", **properties}


def test_a_document_with_its_picture(tmp_path: Path) -> None:
    write(tmp_path / "pictures/a b.jpg", b"x")
    document = recipe(
        recipeIngredient=["water"], keywords="hot", image={"@type": "ImageObject", "url": "pictures/a%20b.jpg"}
    )
    write(tmp_path / "soup.json", json.dumps(document))
    item = sole(JsonLdReader(tmp_path))
    assert recipe_of(item).id == "soup"
    assert recipe_of(item).recipe.ingredients == ("water",)
    assert (picture_of(item).id, picture_of(item).title, picture_of(item).tags) == ("a b", "Soup", ("hot",))


def test_a_graph_of_recipes(tmp_path: Path) -> None:
    document = {"@graph": [recipe(identifier="one"), recipe(name="Stew"), {"@type": "Person"}]}
    write(tmp_path / "all.jsonld", json.dumps(document))
    items, problems = read(JsonLdReader(tmp_path))
    assert problems == []
    assert [item.source for item in items] == ["all.jsonld#1", "all.jsonld#2"]
    ids = [recipe_of(item).id for item in items]
    assert ids[0] == "one"
    assert ids[1] is not None
    assert ids[1].startswith("stew-")


def test_scripts_of_a_saved_page(tmp_path: Path) -> None:
    write(tmp_path / "images/soup.jpg", b"x")
    page = (
        "<html><head><script>var a = '<b>';</script>"
        '<script type="application/ld+json">{"@type": "WebSite"}</script>'
        '<script type="application/ld+json; charset=utf-8">\n'
        + json.dumps(recipe(image=["https://example.org/soup.jpg", "../images/soup.jpg"], description="a\nb")).replace(
            "\\n", "\n"
        )
        + '</script><script type="application/ld+json">{broken</script></head>&amp;</html>'
    )
    write(tmp_path / "pages/index.html", page)
    items, problems = read(JsonLdReader(tmp_path))
    assert [problem.lost for problem in problems] == [True, False]
    assert recipe_of(items[0]).recipe.extra == {"description": "a\nb"}
    assert picture_of(items[0]).id == "soup"
    item_id = recipe_of(items[0]).id
    assert item_id is not None
    assert item_id.startswith("soup-")


def test_what_can_not_be_read_is_reported(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "{")
    write(tmp_path / "b.json", json.dumps(recipe(name="")))
    write(tmp_path / "c.json", '{"name": "package"}')
    write(tmp_path / "d.json", "[" * 100_000)
    write(tmp_path / "e.json", b"\xff")
    write(tmp_path / "f.json", json.dumps(recipe(image=["/etc/passwd", "../x.jpg"])))
    items, problems = read(JsonLdReader(tmp_path))
    assert [recipe_of(item).id for item in items] == ["f"]
    assert [(problem.source, problem.lost) for problem in problems] == [
        ("a.json", True),
        ("b.json", True),
        ("c.json", False),
        ("d.json", True),
        ("e.json", True),
        ("f.json", True),
        ("f.json", True),
    ]


def test_only_the_given_files(tmp_path: Path) -> None:
    write(tmp_path / "b.json", json.dumps(recipe()))
    path = write(tmp_path / "a.json", json.dumps(recipe()))
    reader = JsonLdReader(tmp_path, (path,))
    assert recipe_of(sole(reader)).id == "a"
    assert reader.count() == 1
