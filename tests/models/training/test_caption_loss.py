import pytest
import torch

from models.captioning.decoder import AttentionDecoder, DecoderConfig, coverage_penalty
from models.captioning.vocabulary import END, PAD, UNKNOWN
from models.training.caption_loss import CaptionLossWeights, mean_nats, teacher_forced

SMALL = DecoderConfig(features=6, vocabulary=9, values=5, hidden=4, embedding=3, attention=7)
INPUTS = torch.tensor([[[3, 5, 6]], [[3, 7, PAD]]])
TARGETS = torch.tensor([[[5, 6, END]], [[UNKNOWN, END, PAD]]])
LENGTHS = torch.tensor([[3], [2]])


@pytest.fixture
def decoder() -> AttentionDecoder:
    torch.manual_seed(0)
    return AttentionDecoder(SMALL).eval()


def test_the_loss_by_hand(decoder: AttentionDecoder) -> None:
    memory = decoder.memory(torch.randn(2, 4, 6))
    loss, parts = teacher_forced(decoder, memory, INPUTS, TARGETS, LENGTHS, CaptionLossWeights(0.2, 3.0))
    decoded = decoder(memory, INPUTS)
    gains = decoder.logits(decoded.outputs).log_softmax(-1)[:, 0]
    counted = [(0, 0, 5), (0, 1, 6), (0, 2, END), (1, 1, END)]
    nats = -sum(gains[photo, place, word].item() for photo, place, word in counted) / 4
    spread = -sum(gains[photo, place].mean().item() for photo, place, _ in counted) / 4
    coverage = coverage_penalty(decoded.maps, LENGTHS).item()
    assert parts["nats"] == pytest.approx(nats, abs=1e-5)
    assert parts["coverage"] == pytest.approx(coverage, abs=1e-6)
    assert loss.item() == pytest.approx(0.8 * nats + 0.2 * spread + 3 * coverage, abs=1e-5)
    total, count = mean_nats(decoder, memory, INPUTS, TARGETS)
    assert count == 4
    assert total == pytest.approx(4 * nats, abs=1e-4)


def test_padding_changes_nothing(decoder: AttentionDecoder) -> None:
    memory = decoder.memory(torch.randn(2, 4, 6))
    loss, _ = teacher_forced(decoder, memory, INPUTS, TARGETS, LENGTHS, CaptionLossWeights())
    inputs, targets = (torch.nn.functional.pad(each, (0, 3), value=PAD) for each in (INPUTS, TARGETS))
    padded, _ = teacher_forced(decoder, memory, inputs, targets, LENGTHS, CaptionLossWeights())
    torch.testing.assert_close(loss, padded)
