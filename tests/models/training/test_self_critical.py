from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.captioning.decoder import AttentionDecoder, DecoderConfig, Memory
from models.captioning.vocabulary import END, CaptionVocabulary
from models.evaluation.caption_metrics import CiderD
from models.training.caption_data import CaptionedPhotos, Rows
from models.training.self_critical import CaptionReward, above_others, draw, self_critical_loss

VOCABULARY = CaptionVocabulary(["a", "dog", "cat", "runs", "soup", "cake"])
NEVER = VOCABULARY.never_written


def _photos(style: str, *captions: str) -> CaptionedPhotos:
    words = [[caption.split()] for caption in captions]
    return CaptionedPhotos(style, [Path(c) for c in captions], [(c,) for c in captions], words)  # type: ignore[arg-type]


STYLES = [_photos("general", "a dog runs", "a cat runs"), _photos("dish", "soup", "cake", "dog soup")]


@pytest.fixture
def decoder() -> AttentionDecoder:
    torch.manual_seed(0)
    return AttentionDecoder(DecoderConfig(6, len(VOCABULARY), values=8, hidden=16, embedding=8, attention=8)).eval()


def _memory(decoder: AttentionDecoder, photos: int) -> Memory:
    return decoder.memory(torch.randn(photos, 4, 6, generator=torch.Generator().manual_seed(0)))


def test_the_reward_is_cider_over_the_style_with_the_end_as_a_word() -> None:
    reward = CaptionReward(STYLES)
    captions = [[["soup"], ["cake"]], [["a", "dog", "runs"], ["a", "cat"]], [["dog", "soup"], []]]
    found = reward(captions, np.array([2, 0, 4]))
    dishes = CiderD([[["soup", "<end>"]], [["cake", "<end>"]], [["dog", "soup", "<end>"]]])
    assert found[0].tolist() == pytest.approx(
        dishes.score([["soup", "<end>"], ["cake", "<end>"]], photos=[0, 0])[1].tolist()
    )
    assert found[2, 0] == pytest.approx(dishes.score([["dog", "soup", "<end>"]], photos=[2])[0])
    assert found[1, 0] == found[1].max()
    assert found[0, 0] > found[0, 1]
    assert found.dtype == np.float32


def test_drawn_captions_end_hold_words_and_follow_the_model(decoder: AttentionDecoder) -> None:
    memory = _memory(decoder, 1)
    torch.manual_seed(0)
    written = draw(decoder, memory, torch.full((1, 4000), 3), NEVER, 3)
    for caption in written[0, :50].tolist():
        assert caption.count(END) == 1
        VOCABULARY.decode(caption)
    scores, _, _ = decoder.step(memory, decoder.first_state(memory, 1), torch.tensor([[3]]))
    scores[..., list(NEVER)] = -torch.inf
    shares = torch.bincount(written[0, :, 0], minlength=len(VOCABULARY)) / 4000
    torch.testing.assert_close(shares, scores[0, 0].softmax(-1).detach(), atol=0.04, rtol=0)


def test_a_caption_is_held_to_the_others_of_its_photo() -> None:
    rewards = np.array([[1.0, 0.0, 0.5], [2.0, 2.0, 2.0]], dtype=np.float32)
    naive = [[r - np.mean([*row[:i], *row[i + 1 :]]) for i, r in enumerate(row)] for row in rewards.tolist()]
    np.testing.assert_allclose(above_others(rewards), naive, atol=1e-6)
    assert above_others(rewards).dtype == np.float32


def test_an_end_that_the_limit_set_is_not_blamed(decoder: AttentionDecoder) -> None:
    """With room for one word each caption is its word: the end after it was not drawn."""
    starts, photos = torch.full((2, 1), VOCABULARY.start("general")), np.array([0, 1])
    reward, memory = CaptionReward(STYLES), _memory(decoder, 2)
    torch.manual_seed(0)
    drawn = draw(decoder, memory, starts.expand(-1, 8), NEVER, 1)
    torch.manual_seed(0)
    loss, _ = self_critical_loss(decoder, memory, starts, VOCABULARY, reward, photos, samples=8, max_words=1)
    scores, _, _ = decoder.step(memory, decoder.first_state(memory, 8), starts.expand(-1, 8))
    scores[..., list(NEVER)] = -torch.inf
    gains = scores.log_softmax(-1).gather(-1, drawn[:, :, :1]).squeeze(-1)
    above = above_others(reward([[VOCABULARY.decode(c) for c in photo] for photo in drawn.tolist()], photos))
    torch.testing.assert_close(loss, -(torch.from_numpy(above) * gains).mean())


class _Same(CaptionReward):
    def __init__(self) -> None:
        super().__init__(STYLES)

    def __call__(self, captions: Sequence[Sequence[list[str]]], photos: Rows) -> NDArray[np.float32]:
        return np.full((len(photos), len(captions[0])), -5, np.float32)


def test_a_reward_that_all_share_changes_nothing(decoder: AttentionDecoder) -> None:
    """However bad the captions are: a baseline that is too high would make all of them less likely, without end."""
    starts = torch.full((2, 1), VOCABULARY.start("general"))
    loss, _ = self_critical_loss(
        decoder, _memory(decoder, 2), starts, VOCABULARY, _Same(), np.array([0, 1]), samples=4, max_words=4
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or not p.grad.any() for p in decoder.parameters())


def test_it_learns_to_write_what_is_rewarded(decoder: AttentionDecoder) -> None:
    reward = CaptionReward(STYLES)
    photos = np.array([0, 1, 2, 3])
    starts = torch.tensor([[VOCABULARY.start("general")]] * 2 + [[VOCABULARY.start("dish")]] * 2)
    features = torch.randn(4, 4, 6, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(decoder.parameters(), 0.01)
    torch.manual_seed(0)
    seen = []
    for _ in range(60):
        loss, parts = self_critical_loss(
            decoder, decoder.memory(features), starts, VOCABULARY, reward, photos, samples=16, max_words=4
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        seen.append(parts["reward"])
    assert np.mean(seen[-5:]) > 3 * np.mean(seen[:5])
