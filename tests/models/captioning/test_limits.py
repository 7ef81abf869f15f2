from __future__ import annotations

import torch

from models.captioning.limits import NoRepeat, no_echo, style_limit
from models.captioning.vocabulary import CaptionVocabulary

NEVER, CPU = -torch.inf, torch.device("cpu")


def test_no_word_follows_itself() -> None:
    gains = torch.zeros(1, 2, 5)
    no_echo(gains, torch.empty(1, 2, 0, dtype=torch.long))
    assert not gains.any()
    no_echo(gains, torch.tensor([[[4, 3], [3, 4]]]))
    assert gains[0].tolist() == [[0, 0, 0, NEVER, 0], [0, 0, 0, 0, NEVER]]


def test_only_free_words_are_repeated_and_not_in_a_row() -> None:
    limit = NoRepeat(torch.tensor([2]))
    gains = torch.zeros(1, 2, 5)
    limit(gains, torch.empty(1, 2, 0, dtype=torch.long))
    assert not gains.any()
    gains[0, 0, 2] = 0.5
    limit(gains, torch.tensor([[[4, 2, 3], [4, 3, 2]]]))
    assert gains[0].tolist() == [[0, 0, 0.5, NEVER, NEVER], [0, 0, NEVER, NEVER, NEVER]]


def test_names_of_dishes_repeat_linking_words_alone() -> None:
    vocabulary = CaptionVocabulary(["soup", "with", "a", "leek"])
    soup, link, _, leek = vocabulary.encode(vocabulary.words)
    words = torch.tensor([[[soup, link, leek]]])
    gains = torch.zeros(1, 1, len(vocabulary))
    style_limit("dish", vocabulary, CPU)(gains, words)
    assert gains[0, 0].isneginf().nonzero().flatten().tolist() == [soup, leek]
    gains = torch.zeros(1, 1, len(vocabulary))
    style_limit("general", vocabulary, CPU)(gains, words)
    assert gains[0, 0].isneginf().nonzero().flatten().tolist() == [leek]
