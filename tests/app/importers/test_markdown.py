"""Recipe pages: front matter and sections."""

from __future__ import annotations

import pytest

from app.importers.markdown import MAX_FRONT_MATTER, PageError, parse_page

PAGE = """---
title: "Pavlova"
tags: ['meringue', 'new zealand']
date: 2023-06-10
author: "someone"
---

![Pavlova](/pix/pavlova.webp)

A cake of **meringue**.

- ⏲️ Prep time: 20 minutes
- 🍳Cook time: 55 minutes
- 🍽️ Servings: 6-8

## Ingredients

### Base

- 2 egg whites
- 1 ½ cups *caster* sugar
  (fine)

### Top
* [cream](https://example.org)

## Directions

1. Beat until smooth.

2. Bake:
   - hot first
   - then cooler
![Step](pix/step.webp)
3. Cool.

## Contribution

- Someone, [site](https://example.org)
"""


def test_a_page_of_the_public_domain_collection() -> None:
    page = parse_page(PAGE)
    assert page.front == {
        "title": "Pavlova",
        "tags": ["meringue", "new zealand"],
        "date": "2023-06-10",
        "author": "someone",
    }
    assert page.pictures == ["/pix/pavlova.webp", "pix/step.webp"]
    assert page.description == ["A cake of meringue."]
    assert page.facts == {"prep_time": "20 minutes", "cook_time": "55 minutes", "yield": "6-8"}
    assert page.ingredients == ["Base:", "2 egg whites", "1 ½ cups caster sugar (fine)", "Top:", "cream"]
    assert page.directions == ["Beat until smooth.", "Bake:", "hot first", "then cooler", "Cool."]


@pytest.mark.parametrize(
    "text",
    [
        '+++\ntitle = "Soup"\ndate = 2020-01-02\n+++\n## Ingredients\n- water\n',
        "---\ntitle: Soup\ndate: 2020-01-02\n---\n## Ingredients\n- water\n",
        '{\n"title": "Soup",\n"date": "2020-01-02"\n}\n## Ingredients\n- water\n',
        "\ufeff---\r\ntitle: Soup\r\ndate: 2020-01-02\r\n---\r\n## Ingredients\r\n- water\r\n",
    ],
)
def test_front_matter_in_every_form(text: str) -> None:
    page = parse_page(text)
    assert page.front == {"title": "Soup", "date": "2020-01-02"}
    assert page.ingredients == ["water"]


def test_a_page_without_front_matter() -> None:
    page = parse_page(
        "# Soup\n\nWarm.\n\n## Description\n\nVery.\n\n## Ingredients\n\nwater\nsalt\n\n## Method\n\nBoil.\n\nServe.\n"
    )
    assert (page.front, page.heading) == ({}, "Soup")
    assert page.description == ["Warm.", "Very."]
    assert page.ingredients == ["water", "salt"]
    assert page.directions == ["Boil.", "Serve."]


def test_sections_of_several_headings() -> None:
    page = parse_page(
        "## Ingredients\n- a\n## Utensils\n- pot\n## Prep Directions (30 min)\n1. chop\n### Step two\n1. mix\n"
        "## Cooking Directions\n1. cook\n## Notes\nfine\n### Ingredients of the sauce\n- b\n"
    )
    assert page.ingredients == ["a", "b"]
    assert page.directions == ["chop", "Step two:", "mix", "cook"]


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("Ingrédients", "ingredients"),
        ("ZUTATEN", "ingredients"),
        ("For the Ingredients:", "ingredients"),
        ("Zubereitung", "directions"),
        ("Preparación", "directions"),
        ("Method", "directions"),
        ("Preparation time", None),
        ("Methodology", None),
    ],
)
def test_names_of_sections(heading: str, section: str | None) -> None:
    page = parse_page(f"## Other\n\nx\n\n## {heading}\n\n- line\n")
    found = {"ingredients": page.ingredients, "directions": page.directions}
    assert {name for name, lines in found.items() if lines} == ({section} if section else set())


@pytest.mark.parametrize(
    ("text", "picture"),
    [
        ("![x]({{ site.baseurl }}/images/a.jpg)", "/images/a.jpg"),
        ("![x]({{ '/images/a.jpg' | relative_url }})", "/images/a.jpg"),
        ('{{< figure src="/pix/a.jpg" title="A dish" >}}', "/pix/a.jpg"),
        ("![x](<pix/a b.jpg>)", "pix/a%20b.jpg"),
        ("![x][ref]\n\n[ref]: /pix/a.jpg", "/pix/a.jpg"),
    ],
)
def test_pictures_behind_templates(text: str, picture: str) -> None:
    assert parse_page(text).pictures == [picture]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\ntitle: Soup\n", "never closed"),
        ("---\ntitle: [\n---\n", "YAML front matter can't be read"),
        ("---\na: &a [x]\nb: *a\n---\n", "aliases are not taken"),
        ("---\n- a\n---\n", "not a table"),
        ("---\nt: !!python/object/apply:os.system ['true']\n---\n", "can't be read"),
        ("+++\ntitle = \n+++\n", "TOML front matter can't be read"),
        ("---\nt: " + "[" * 500 + "]" * 500 + "\n---\n", "nested too deeply|can't be read"),
        ("---\nt: " + "x" * MAX_FRONT_MATTER + "\n---\n", "longer than"),
    ],
)
def test_bad_front_matter(text: str, message: str) -> None:
    with pytest.raises(PageError, match=message):
        parse_page(text)


def test_empty_front_matter_and_odd_values() -> None:
    assert parse_page("---\n---\n").front == {}
    assert parse_page("---\na: .nan\nb: 1.5\nc: 12:30:00\nd: !!binary aGk=\n---\n").front.keys() == {"a", "b", "c", "d"}
    assert parse_page("").front == {}
