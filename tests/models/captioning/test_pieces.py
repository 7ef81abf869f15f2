import numpy as np
import pytest
import torch

from models.captioning.pieces import WordPieces

PIECES = ["<end>", "a", "dog", "##s", "##y", "<special>"]
END, A, DOG, S, Y, SPECIAL = range(6)


def _decode(pieces: object) -> str:
    return " ".join(PIECES[piece] for piece in list(pieces) if piece not in (END, SPECIAL)).replace(" ##", "")  # type: ignore[call-overload]


def _flags(*on: int) -> torch.Tensor:
    return torch.tensor([piece in on for piece in range(len(PIECES))])


BEGINS = WordPieces(_flags(A, DOG), _flags(), END, _decode)
ENDS = WordPieces(_flags(), _flags(S, Y), END, lambda pieces: "".join(PIECES[piece].strip("#") for piece in pieces))


def test_words_are_whole_and_nothing_is_lost() -> None:
    maps = np.eye(4, dtype=np.float32).reshape(4, 2, 2)
    caption = BEGINS.caption([A, DOG, Y, S], [-1.0, -2.0, -3.0, -4.0, -0.5], maps)
    assert caption.text == "a dogys"
    assert [(word.text, word.log_probability) for word in caption.words] == [("a", -1.0), ("dogys", -9.0)]
    assert caption.log_probability == -10.5
    assert caption.attention is not None
    assert caption.attention.dtype == np.float32
    np.testing.assert_allclose(caption.attention, [maps[0], maps[1:].mean(axis=0)])


def test_pieces_that_end_words() -> None:
    caption = ENDS.caption([A, S, DOG, A, Y, DOG], [-1.0] * 7)
    assert [word.text for word in caption.words] == ["as", "dogay", "dog"]
    assert caption.attention is None


def test_special_pieces_are_no_words_but_cost() -> None:
    specials = WordPieces(_flags(A, DOG, SPECIAL), _flags(), END, _decode)
    caption = specials.caption([SPECIAL, DOG], [-1.0, -2.0, -0.5], np.ones((2, 1, 1), dtype=np.float32))
    assert [word.text for word in caption.words] == ["dog"]
    assert caption.log_probability == -3.5
    assert caption.attention is not None
    assert caption.attention.shape == (1, 1, 1)


def test_a_caption_of_nothing() -> None:
    caption = BEGINS.caption([], [-0.5], np.ones((0, 2, 2), dtype=np.float32))
    assert (caption.text, caption.words, caption.log_probability) == ("", (), -0.5)
    assert caption.attention is not None
    assert caption.attention.shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("pieces", "written", "allowed"),
    [
        (BEGINS, [], {END, A, DOG, S, Y, SPECIAL}),
        (BEGINS, [S], {END, A, DOG, S, Y, SPECIAL}),
        (BEGINS, [A, S], {END, A, DOG, S, Y, SPECIAL}),
        (BEGINS, [A, DOG], {END, S, Y, SPECIAL}),
        (BEGINS, [S, DOG, S], {END, S, Y, SPECIAL}),
        (ENDS, [A, S], {END, A, DOG, S, Y, SPECIAL}),
        (ENDS, [A, S, DOG], {END, A, DOG, S, Y, SPECIAL}),
        (ENDS, [A, S, DOG, Y], {END}),
    ],
)
def test_two_words_are_the_limit(pieces: WordPieces, written: list[int], allowed: set[int]) -> None:
    gains = torch.zeros(1, 1, len(PIECES))
    pieces.limit(gains, torch.tensor([[written]], dtype=torch.long).reshape(1, 1, -1), 2)
    assert set((gains[0, 0] == 0).nonzero().flatten().tolist()) == allowed
