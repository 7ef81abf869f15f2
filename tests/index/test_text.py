from __future__ import annotations

import sys
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.text import (
    caption_phrase,
    compared_words,
    content_digest,
    ingredient_phrase,
    normalize_captions,
    normalize_id,
    normalize_tag,
    normalize_tags,
    tag_key,
)
from index.types import Picture, PictureCaption, Recipe


@pytest.mark.parametrize("value", ["a", "Crème brûlée", "寿司-1", "a b", "2:x", "x" * 128, "...", "🍕", "a%2Fb", "-"])
def test_an_id_that_is_fine_stays_as_it_is(value: str) -> None:
    assert normalize_id(value) == unicodedata.normalize("NFC", value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("x" * 129, "129 characters"),
        ("a/b", "'/'"),
        (" a", "white space"),
        ("a\u00a0", "white space"),
        ("a\nb", "U\\+000A"),
        ("a\0", "U\\+0000"),
        ("a\u200bb", "U\\+200B"),
        ("a\u202eb", "U\\+202E"),
        ("\ud800", "U\\+D800"),
        (".", "reserved"),
        ("..", "reserved"),
        ("search", "reserved"),
    ],
)
def test_a_bad_id_is_refused_with_its_reason(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normalize_id(value, reserved=frozenset({"search"}))


def test_the_length_of_an_id_counts_after_normalisation() -> None:
    decomposed = "e\u0301" * 128
    assert len(normalize_id(decomposed)) == 128


@given(st.text(max_size=140))
def test_normalising_an_id_twice_changes_nothing(value: str) -> None:
    try:
        once = normalize_id(value)
    except ValueError:
        return
    assert normalize_id(once) == once
    assert 1 <= len(once) <= 128


@given(st.text(max_size=120))
def test_normalising_a_tag_twice_changes_nothing(value: str) -> None:
    try:
        once = normalize_tag(value)
    except ValueError:
        return
    assert normalize_tag(once) == once
    assert once == " ".join(once.split())


@pytest.mark.parametrize("value", ["", "  ", "\u200d", "a\0b", "\ud800", "x" * 101, "\u202ea"])
def test_a_bad_tag_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        normalize_tag(value)


def test_a_tag_is_trimmed_and_its_white_space_collapsed() -> None:
    assert normalize_tag("  red \t\n wine\u00a0") == "red wine"
    assert normalize_tag("👨‍🍳") == "👨‍🍳"


@pytest.mark.parametrize(
    ("one", "other"), [("Pasta", "PASTA"), ("Straße", "STRASSE"), ("é", "E\u0301"), ("ΣΊΣΥΦΟΣ", "σίσυφος")]
)
def test_tags_compare_without_case_and_composition(one: str, other: str) -> None:
    assert tag_key(one) == tag_key(other)


@given(st.text(max_size=50))
def test_tag_key_is_stable(value: str) -> None:
    assert tag_key(tag_key(value)) == tag_key(value)


def test_tag_key_is_stable_for_every_character() -> None:
    characters = map(chr, range(sys.maxunicode + 1))
    assert [c for c in characters if tag_key(tag_key(c)) != tag_key(c)] == []


def test_normalize_tags_keeps_order_and_the_first_spelling() -> None:
    assert normalize_tags(["Soup", " soup ", "Bread", "SOUP"]) == ("Soup", "Bread")


def test_the_digest_depends_on_all_content_and_only_on_content() -> None:
    base = Recipe(title="a", ingredients=("b",), instructions=("c",), tags=("d",), extra={"x": 1, "y": 2})
    assert content_digest(base) == content_digest(
        Recipe(title="a", ingredients=("b",), instructions=("c",), tags=("d",), extra={"y": 2, "x": 1})
    )
    others = [
        Recipe(title="b", ingredients=("b",), instructions=("c",), tags=("d",), extra={"x": 1, "y": 2}),
        Recipe(title="a", ingredients=("b", "c"), tags=("d",), extra={"x": 1, "y": 2}),
        Recipe(title="a", ingredients=("b",), instructions=("c",), tags=("d",), extra={"x": 1}),
        Recipe(title="a", ingredients=("b",), instructions=("c",), tags=("D",), extra={"x": 1, "y": 2}),
    ]
    assert len({content_digest(recipe) for recipe in [base, *others]}) == 5


def test_the_digest_of_a_picture_depends_on_its_bytes() -> None:
    one = Picture(blob="a" * 64, media_type="image/png", width=1, height=1, size=1)
    other = Picture(blob="b" * 64, media_type="image/png", width=1, height=1, size=1)
    assert content_digest(one) != content_digest(other)


def test_a_picture_without_captions_keeps_its_digest() -> None:
    picture = Picture(blob="1" * 64, media_type="image/png", width=1, height=1, size=1)
    assert content_digest(picture) == "ca19263421e505ee0995bc7decdfa6c3234931805369370026e189d0673bb3d5"
    said = [
        replace(picture, captions=captions)
        for captions in (
            (PictureCaption("a dog"),),
            (PictureCaption("a dog", "general", "captioner"),),
            (PictureCaption("a dog"), PictureCaption("two")),
            (PictureCaption("two"), PictureCaption("a dog")),
        )
    ]
    assert len({content_digest(each) for each in [picture, *said]}) == 5


@pytest.mark.parametrize("extra", [{"x": float("nan")}, {"x": float("inf")}, {"x": object()}, {"x": "\ud800"}])
def test_content_that_is_not_json_is_refused(extra: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"JSON|surrogate"):
        content_digest(Recipe(title="a", extra=extra))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "forms",
    [
        ("onion", "Onions", "ONION's"),
        ("berry", "berries"),
        ("cookie", "cookies"),
        ("chili", "chilis", "chilies"),
        ("tomato", "tomatoes"),
        ("peach", "peaches"),
        ("radish", "radishes"),
        ("box", "boxes"),
        ("cheese", "cheeses"),
        ("glass", "glasses"),
        ("octopus", "octopuses"),
        ("quiche", "quiches"),
        ("olive", "olives"),
        ("bay leaf", "bay leaves", "Bay-Leaves"),
        ("goose", "geese"),
        ("pie", "pies"),
        ("pea", "peas"),
        ("egg", "eggs"),
        ("roe", "roes"),
        ("kiwi", "kiwis"),
        ("baker\u2019s yeast", "bakers' yeast", "baker yeast"),
        ("cr\u00e8me", "cre\u0300me", "CR\u00c8ME"),
        ("stra\u00dfe", "strasse"),
    ],
)
def test_forms_of_one_ingredient_compare_equal(forms: tuple[str, ...]) -> None:
    assert len({compared_words(form) for form in forms}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rice", "price"),
        ("greens", "green"),
        ("bitters", "bitter"),
        ("glass", "gla"),
        ("couscous", "couscou"),
        ("cr\u00e8me", "creme"),
        ("olives", "olif"),
        ("gas", "ga"),
    ],
)
def test_other_ingredients_compare_different(one: str, other: str) -> None:
    assert compared_words(one) != compared_words(other)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 1/2 cups (all-purpose) flour, sifted", ("1", "1", "2", "cup", "all", "purpos", "flour", "sifted")),
        ("हरी प्याज", ("हरी", "प्याज")),
        ("100\u00a0g d'Anjou_pears", ("100", "g", "d", "anjou", "pear")),
        (" -- ", ()),
        ("", ()),
    ],
)
def test_words_are_runs_of_letters_marks_and_digits(line: str, words: tuple[str, ...]) -> None:
    assert compared_words(line) == words


@given(st.text(max_size=40))
def test_words_of_ingredients_are_the_same_in_every_spelling(line: str) -> None:
    words = compared_words(line)
    assert all(words)
    assert not any(character.isspace() for word in words for character in word)
    assert compared_words(unicodedata.normalize("NFD", line)) == words
    # Ascii has a way of its own, which must agree with that of all other text.
    assert compared_words(f"{line} \u00e9") == (*words, "\u00e9")


@pytest.mark.parametrize(("name", "reason"), [("", "no letter"), ("x" * 101, "101 char"), ("a " * 13, "13 words")])
def test_a_name_that_can_not_be_looked_up_is_refused(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ingredient_phrase(name)


# --- captions ---------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20), max_size=5))
def test_normalising_captions_twice_changes_nothing(texts: list[str]) -> None:
    try:
        once = normalize_captions(PictureCaption(text, "general", "m") for text in texts)
    except ValueError as error:
        assert "blank" in str(error)  # noqa: PT017 - the only reason that these texts can give
        return
    assert normalize_captions(once) == once


def test_captions_are_tidied_and_kept_once_in_their_order() -> None:
    given = [PictureCaption(" cafe\u0301\n in  town "), PictureCaption("b"), PictureCaption("caf\u00e9 in town")]
    assert normalize_captions(given) == (PictureCaption("caf\u00e9 in town"), PictureCaption("b"))
    by_two = (PictureCaption("b"), PictureCaption("b", "dish", "m"))
    assert normalize_captions(by_two) == by_two


@pytest.mark.parametrize(
    ("captions", "reason"),
    [
        ([PictureCaption("")], "caption is blank"),
        ([PictureCaption(" \n\u200b")], "caption is blank"),
        ([PictureCaption("x" * 1001)], "caption has 1001 characters; at most 1000"),
        ([PictureCaption("a\0")], r"control character U\+0000"),
        ([PictureCaption("\ud800")], r"control character U\+D800"),
        ([PictureCaption("a", style="\x07")], r"style of a caption holds the control character U\+0007"),
        ([PictureCaption("a", model="m" * 201)], "model of a caption has 201 characters"),
        ([PictureCaption(str(number)) for number in range(21)], "a photo has 21 captions; at most 20"),
    ],
)
def test_captions_that_cannot_be_kept_are_refused(captions: list[PictureCaption], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normalize_captions(captions)


def test_the_longest_captions_are_kept() -> None:
    most = tuple(PictureCaption(f"{number:02}{'x' * 998}") for number in range(20))
    assert normalize_captions(most) == most


def test_a_caption_is_searched_by_its_words() -> None:
    assert caption_phrase("Two dogs' RACE") == ("two", "dog", "race")
    with pytest.raises(ValueError, match=r"caption '!' has no letter or digit; give words such as"):
        caption_phrase("!")
