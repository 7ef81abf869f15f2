from __future__ import annotations

import pytest

from models.words.names import normalize_ingredient
from models.words.synonyms import SYNONYMS
from models.words.variants import Variants, plain_form, synonyms_of


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("scallion", "green onion"),
        ("coriander", "cilantro"),
        ("aubergine", "eggplant"),
        ("courgette", "zucchini"),
        ("rocket", "arugula"),
        ("prawn", "shrimp"),
        ("icing sugar", "confectioner sugar"),
        ("minced beef", "ground beef"),
        ("garbanzo bean", "chickpea"),
    ],
)
def test_american_and_british(first: str, second: str) -> None:
    assert second in synonyms_of(first)
    assert first in synonyms_of(second)


@pytest.mark.parametrize(("first", "second"), [("butter", "margarine"), ("cilantro", "parsley"), ("lemon", "lime")])
def test_substitutes_are_no_synonyms(first: str, second: str) -> None:
    assert second not in synonyms_of(first)


def test_the_written_list_is_sound() -> None:
    seen: set[str] = set()
    for line in SYNONYMS.strip().splitlines():
        names = [normalize_ingredient(name) for name in line.split(",")]
        assert len(set(names)) > 1, line
        assert all(names), line
        assert not seen & set(names), f"{seen & set(names)} stands in two groups"
        seen |= set(names)


@pytest.mark.parametrize(
    "group",
    [
        ("jalapeno", "jalapeno chile", "jalapeno chili", "jalapeno pepper", "jalapeno chile pepper"),
        ("bread crumb", "breadcrumb"),
        ("gruyere", "gruyere cheese"),
        ("penne", "penne pasta"),
        ("pistachio", "pistachio nut"),
        ("challah", "challah bread"),
        ("porcini", "porcini mushroom"),
        ("red chile", "red chili pepper"),
    ],
)
def test_one_form(group: tuple[str, ...]) -> None:
    assert len({plain_form(name) for name in group}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("red pepper", "red chile"),
        ("corn", "corn bread"),
        ("orange", "orange liqueur"),
        ("rice wine", "rice vinegar"),
        ("green pepper", "green bean"),
        ("black pepper", "black bean"),
    ],
)
def test_other_forms(first: str, second: str) -> None:
    assert plain_form(first) != plain_form(second)


def test_spellings_differ_by_one_letter_of_one_long_word() -> None:
    names = ["linguine pasta", "linguini pasta", "caster sugar", "castor sugar", "lime", "line", "amaretto", "amaretti"]
    variants = Variants([*names, "barbecue sauce", "barbeque sauce", "barbecue rub"])
    assert variants.spellings("linguine pasta") == ["linguini pasta"]
    assert variants.spellings("castor sugar") == ["caster sugar"]
    assert variants.spellings("barbeque sauce") == ["barbecue sauce"]
    assert variants.spellings("lime") == []
    assert variants.spellings("amaretto") == []
    assert variants.spellings("no such name") == []


def test_kinds_end_with_the_name() -> None:
    variants = Variants(["butter", "peanut butter", "creamy peanut butter", "butter bean", "buttermilk"])
    assert variants.kinds("peanut butter") == ["creamy peanut butter"]
    assert variants.kinds("butter") == ["peanut butter", "creamy peanut butter"]
