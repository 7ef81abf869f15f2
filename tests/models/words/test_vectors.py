from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.words.errors import AnalogyError, UnknownWordError
from models.words.names import normalize_ingredient
from models.words.store import StoredWords
from models.words.vectors import WordVectors
from tests.models.words.conftest import TINY


def _random(seed: int, n: int = 12, dim: int = 5) -> WordVectors:
    rng = np.random.default_rng(seed)
    names = [f"food {chr(97 + place)}{chr(97 + place)}" for place in range(n)]
    vectors, contexts = rng.normal(size=(2, n, dim)).astype(np.float32)
    return WordVectors(names, range(n, 0, -1), vectors, contexts)


def test_neighbours_are_the_nearest_by_cosine_without_the_name_itself(tiny: WordVectors) -> None:
    first, *_ = tiny.similar("butter", 3)
    assert (first.name, first.count) == ("margarine", 30)
    assert first.similarity == pytest.approx(1.0, abs=1e-3)
    assert len(tiny.similar("butter", 3)) == 3
    assert [each.name for each in tiny.similar("butter", 100, min_similarity=0.9)] == ["margarine"]


@given(st.integers(0, 1000), st.integers(1, 15))
def test_neighbours_against_a_naive_reference(seed: int, k: int) -> None:
    words = _random(seed)
    own = words.names[seed % len(words)]
    cosines = {other: float(words.vector(own) @ words.vector(other)) for other in words.names if other != own}
    expected = sorted(cosines, key=lambda other: -cosines[other])[:k]
    found = words.similar(own, k)
    assert [each.name for each in found] == expected
    assert [each.similarity for each in found] == pytest.approx([cosines[each.name] for each in found], abs=1e-5)


def test_equal_neighbours_come_by_frequency() -> None:
    words = WordVectors(["aa", "bb", "cc"], [9, 5, 1], np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32))
    assert [each.name for each in words.similar("aa", 2)] == ["bb", "cc"]


def test_names_are_read_as_lines_are(tiny: WordVectors) -> None:
    assert tiny.canonical("2 cups chopped Green Onions, divided") == "green onion"
    assert tiny.canonical("aubergines") == "eggplant"
    assert "Scallions" in tiny
    assert "durian" not in tiny
    assert 7 not in tiny
    assert tiny.count("white wine") == 50
    assert np.linalg.norm(tiny.vector("beef")) == pytest.approx(1.0)


@pytest.mark.parametrize("method", ["add", "mul"])
def test_an_analogy_leads_where_it_should(tiny: WordVectors, method: str) -> None:
    found = tiny.analogy(["white wine", "beef"], ["chicken"], 3, "add" if method == "add" else "mul")
    assert found[0].name == "red wine"
    assert not {"white wine", "beef", "chicken"} & {each.name for each in found}


@given(st.integers(0, 1000))
def test_analogies_against_a_naive_reference(seed: int) -> None:
    words = _random(seed)
    a, b, c = words.names[:3]
    others = [name for name in words.names if name not in (a, b, c)]
    v = words.vector

    def cos(x: str, y: str) -> float:
        return (float(v(x) @ v(y)) + 1) / 2

    added = sorted(others, key=lambda d: -float(v(d) @ (v(a) + v(b) - v(c))))
    multiplied = sorted(others, key=lambda d: -cos(d, a) * cos(d, b) / (cos(d, c) + 1e-3))
    assert [each.name for each in words.analogy([a, b], [c], 9, "add")] == added
    assert [each.name for each in words.analogy([a, b], [c], 9, "mul")] == multiplied


def test_an_analogy_without_direction_is_an_error(tiny: WordVectors) -> None:
    with pytest.raises(AnalogyError, match="needs a positive"):
        tiny.analogy([], ["beef"])
    with pytest.raises(AnalogyError, match="cancel out"):
        tiny.analogy(["beef"], ["beef"])
    with pytest.raises(AnalogyError, match="cancel out"):
        tiny.analogy(["beef"], ["beef"], method="mul")


def test_an_unknown_name_is_an_error_with_suggestions(tiny: WordVectors) -> None:
    for call in (tiny.vector, tiny.similar, tiny.canonical, tiny.count, tiny.expand):
        with pytest.raises(UnknownWordError, match="'buter'; did you mean 'butter'") as caught:
            call("Buter")
        assert caught.value.suggestions[0] == "butter"
    with pytest.raises(UnknownWordError) as caught:
        tiny.vector("xyzzyx")
    assert caught.value.suggestions == ()


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(tiny: WordVectors, k: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        tiny.similar("butter", k)


def test_expansion_takes_synonyms_spellings_and_usual_kinds_but_no_substitutes(tiny: WordVectors) -> None:
    assert tiny.expand("Scallions")[:2] == ("scallion", "green onion")
    assert "scallion" in tiny.expand("green onion")
    assert tiny.expand("butter") == ("butter",)  # margarine is near, and another thing
    assert tiny.expand("red wine") == ("red wine",)
    # A spelling that the vectors don't confirm is none.
    assert tiny.expand("jalapeno chile") == ("jalapeno chile", "jalapeno pepper")
    assert tiny.expand("peanut butter") == ("peanut butter", "creamy peanut butter")
    assert tiny.expand("creamy peanut butter") == ("creamy peanut butter",)


def test_expansion_knows_written_synonyms_of_names_outside_the_vocabulary(tiny: WordVectors) -> None:
    assert "zucchini" in tiny.expand("courgettes")
    assert len(tiny.expand("courgettes", k=1)) == 2


@given(st.sampled_from(sorted(TINY)), st.integers(0, 9))
def test_an_expansion_starts_with_the_name_and_has_at_most_k_more(name: str, k: int) -> None:
    vectors = np.array([vector for _, vector in TINY.values()], dtype=np.float32)
    words = WordVectors(list(TINY), [count for count, _ in TINY.values()], vectors)
    found = words.expand(name, k=k)
    assert found[0] == name
    assert len(found) == len(set(found)) <= k + 1
    assert all(normalize_ingredient(each) == each for each in found)


def test_association_is_symmetric(tiny: WordVectors, stored: StoredWords) -> None:
    one, other = stored.names.index("beef"), stored.names.index("butter")
    by_hand = (stored.vectors[one] @ stored.contexts[other] + stored.vectors[other] @ stored.contexts[one]) / 2
    assert tiny.association("beef", "butter") == pytest.approx(float(by_hand))
    assert tiny.association("beef", "butter") == tiny.association("butter", "beef")


def test_what_is_no_vocabulary_is_refused() -> None:
    good = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="twice"):
        WordVectors(["aa", "aa"], [1, 1], good)
    with pytest.raises(ValueError, match="differ in number"):
        WordVectors(["aa"], [1], good)
    with pytest.raises(ValueError, match="one shape"):
        WordVectors(["aa", "bb"], [1, 1], good, np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="zero or not finite"):
        WordVectors(["aa", "bb"], [1, 1], np.array([[1, 0], [0, 0]], dtype=np.float32))
    with pytest.raises(ValueError, match="zero or not finite"):
        WordVectors(["aa", "bb"], [1, 1], np.array([[1, 0], [np.nan, 0]], dtype=np.float32))
