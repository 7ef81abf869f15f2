import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.captioning.vocabulary import END, PAD, UNKNOWN, CaptionVocabulary, detokenize, tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A black dog is running after a white dog .", "a black dog is running after a white dog"),
        ("Crème brûlée, with 3 berries!", "crème brûlée with 3 berries"),
        ("The dog's T-shirt", "the dog 's t-shirt"),
        ("the girls’ rock ’n’ roll", "the girls rock n roll"),
        ("don't -- stop - it-", "don't stop it"),
        ("'s", "s"),
        ("a\nb\u2028c", "a b c"),
        ("...", ""),
    ],
)  # fmt: skip
def test_words_of_a_text(text: str, words: str) -> None:
    assert tokenize(text) == words.split()


@given(st.text())
def test_tokens_are_single_words_and_tokenizing_what_one_reads_changes_nothing(text: str) -> None:
    words = tokenize(text)
    assert all(word.split() == [word] for word in words)
    assert tokenize(detokenize(words)) == words


def test_a_possessive_is_written_with_its_word() -> None:
    assert detokenize(["the", "dog", "'s", "ball"]) == "the dog's ball"


def test_a_word_counts_within_one_style() -> None:
    """Two styles that each use a word once don't make it frequent."""
    vocabulary = CaptionVocabulary.build(
        {"general": [["dog", "dog", "cat"], ["ant", "rare"]], "dish": [["soup", "soup", "rare", "ant", "ant"]]}, 2
    )
    assert vocabulary.words == ("ant", "dog", "soup")
    assert vocabulary.styles == ("general", "dish")
    assert len(vocabulary) == 5 + 3
    assert {vocabulary.start("general"), vocabulary.start("dish")} == {3, 4}
    assert vocabulary.never_written == (PAD, UNKNOWN, 3, 4)


def test_one_style_has_one_start_token() -> None:
    vocabulary = CaptionVocabulary.build({"dish": [["soup"]]}, 1)
    assert vocabulary.encode(["soup", "cake"]) == [4, UNKNOWN]
    with pytest.raises(ValueError, match="not in tuple"):
        vocabulary.start("general")


@given(st.lists(st.text(string.ascii_lowercase + "'-é", min_size=1), unique=True))
def test_words_survive_numbers_and_files(words: list[str]) -> None:
    vocabulary = CaptionVocabulary(words)
    assert vocabulary.decode(vocabulary.encode(words)) == words
    assert CaptionVocabulary.from_text(vocabulary.to_text(), vocabulary.styles).words == tuple(words)


def test_decoding_stops_at_the_end_and_refuses_what_is_no_word() -> None:
    vocabulary = CaptionVocabulary(["a", "b"])
    assert vocabulary.decode([5, 6, END, 5]) == ["a", "b"]
    for number in (PAD, UNKNOWN, 3, 7):
        with pytest.raises(ValueError, match=f"{number} is not the number of a word"):
            vocabulary.decode([number])


@pytest.mark.parametrize("words", [["a", ""], ["a b"], ["a", "b", "a"], ["a\n"]])
def test_broken_vocabularies_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="word"):
        CaptionVocabulary(words)


def test_a_vocabulary_needs_different_known_styles() -> None:
    for styles in ([], ["dish", "dish"], ["poem"]):
        with pytest.raises(ValueError, match="styles must be"):
            CaptionVocabulary(["a"], styles)  # type: ignore[arg-type]
