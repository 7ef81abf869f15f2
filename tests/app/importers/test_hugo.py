"""Hugo and Jekyll sites."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.importers.hugo import HugoReader
from tests.app.importers.helpers import picture_of, read, recipe_of, sole, write
from tests.app.importers.test_markdown import PAGE

SHORT = "---\ntitle: Soup\n---\n## Ingredients\n- water\n## Directions\n1. Boil.\n"


def test_a_page_with_its_pictures(tmp_path: Path) -> None:
    for name in ("pavlova", "step"):
        write(tmp_path / f"static/pix/{name}.webp", b"x")
    write(tmp_path / "content/_index.md", "---\ntitle: All\n---\n")
    write(tmp_path / "content/pavlova.md", PAGE)
    item = sole(HugoReader(tmp_path))
    recipe = recipe_of(item)
    assert item.source == "content/pavlova.md"
    assert (recipe.id, recipe.recipe.title, recipe.recipe.tags) == ("pavlova", "Pavlova", ("meringue", "new zealand"))
    assert recipe.recipe.extra == {
        "date": "2023-06-10",
        "author": "someone",
        "prep_time": "20 minutes",
        "cook_time": "55 minutes",
        "yield": "6-8",
        "description": "A cake of meringue.",
    }
    assert [picture.id for picture in item.bundle.pictures] == ["pavlova", "step"]
    assert HugoReader(tmp_path).count() == 1


@pytest.mark.parametrize(
    ("page", "picture", "file"),
    [
        ("content/soup.md", "![](/pix/a.webp)", "static/pix/a.webp"),
        ("content/soup.md", "![](pix/a.webp)", "static/pix/a.webp"),
        ("content/soup/index.md", "![](a.webp)", "content/soup/a.webp"),
        ("content/x/soup.md", "![](../pix/a.webp)", "content/pix/a.webp"),
        ("content/soup.md", "![](a%20b.webp?w=1#x)", "content/a b.webp"),
        ("content/soup.md", "![](/images/a.webp)", "assets/images/a.webp"),
    ],
)
def test_where_pictures_are_found(tmp_path: Path, page: str, picture: str, file: str) -> None:
    path = write(tmp_path / file, b"x")
    write(tmp_path / page, SHORT.replace("---\n## Ing", f"---\n{picture}\n## Ing"))
    item = sole(HugoReader(tmp_path))
    assert recipe_of(item).id == "soup"
    assert picture_of(item).data == path.resolve()


@pytest.mark.parametrize(
    "front",
    [
        "cover: /pix/a.webp",
        "cover:\n  image: /pix/a.webp\n  alt: x",
        "images: [/pix/a.webp, /pix/a.webp]",
        "header: {teaser: /pix/a.webp}",
    ],
)
def test_pictures_of_the_front_matter(tmp_path: Path, front: str) -> None:
    write(tmp_path / "static/pix/a.webp", b"x")
    write(tmp_path / "content/soup.md", SHORT.replace("title: Soup", f"title: Soup\n{front}"))
    item = sole(HugoReader(tmp_path))
    assert picture_of(item).id == "a"
    assert recipe_of(item).recipe.extra == {}


def test_a_picture_outside_or_missing_costs_the_picture_alone(tmp_path: Path) -> None:
    write(tmp_path / "secret.webp", b"secret")
    body = "![](../../secret.webp)\n![](/../secret.webp)\n![](/pix/none.webp)\n![](https://example.org/a.webp)\n"
    write(tmp_path / "site/content/soup.md", SHORT.replace("---\n## Ing", f"---\n{body}\n## Ing"))
    items, problems = read(HugoReader(tmp_path / "site"))
    assert items[0].bundle.pictures == ()
    assert [problem.lost for problem in problems] == [True, True, True, False]


def test_pages_that_are_no_recipes(tmp_path: Path) -> None:
    write(tmp_path / "content/about.md", "---\ntitle: About\n---\nHello.\n")
    write(tmp_path / "content/draft.md", SHORT.replace("title: Soup", "title: Soup\ndraft: true"))
    write(tmp_path / "content/broken.md", "---\ntitle: [\n---\n")
    write(tmp_path / "content/latin.md", SHORT.encode() + b"\xe9")
    (tmp_path / "content/out.md").symlink_to(write(tmp_path.parent / "out.md", SHORT))
    items, problems = read(HugoReader(tmp_path))
    assert items == []
    assert {(problem.source, problem.lost) for problem in problems} == {
        ("content/about.md", False),
        ("content/draft.md", False),
        ("content/broken.md", True),
        ("content/latin.md", True),
        ("content/out.md", True),
    }


def test_pages_of_one_name_are_two_recipes(tmp_path: Path) -> None:
    write(tmp_path / "content/a/soup.md", SHORT)
    write(tmp_path / "content/b/soup.md", SHORT)
    items, problems = read(HugoReader(tmp_path))
    ids = [recipe_of(item).id for item in items]
    assert ids[0] == "soup"
    assert ids[1] is not None
    assert ids[1].startswith("soup-")
    assert [problem.lost for problem in problems] == [False]


def test_jekyll_with_lists_in_the_front_matter(tmp_path: Path) -> None:
    write(tmp_path / "images/mac.jpg", b"x")
    write(
        tmp_path / "_recipes/mac-and-cheese.md",
        "---\nlayout: recipe\ntitle: Mac and cheese\nimage: mac.jpg\ntags: pasta cheese\n"
        "ingredients:\n- macaroni\n- cheese\ndirections:\n- Boil.\n- Melt.\n---\nThe best.\n",
    )
    item = sole(HugoReader(tmp_path, ("_recipes",), jekyll=True))
    recipe = recipe_of(item).recipe
    assert recipe_of(item).id == "mac-and-cheese"
    assert (recipe.ingredients, recipe.instructions) == (("macaroni", "cheese"), ("Boil.", "Melt."))
    assert recipe.tags == ("pasta", "cheese")
    assert recipe.extra == {"description": "The best."}
    assert picture_of(item).id == "mac"


def test_jekyll_posts_lose_their_date(tmp_path: Path) -> None:
    write(tmp_path / "_posts/2020-01-02-green-soup.md", "## Ingredients\n- peas\n")
    recipe = recipe_of(sole(HugoReader(tmp_path, ("_posts",), jekyll=True)))
    assert (recipe.id, recipe.recipe.title) == ("green-soup", "Green soup")
