import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.captioning.decoder import AttentionDecoder, DecoderConfig, State, coverage_penalty

SMALL = DecoderConfig(features=6, vocabulary=11, values=5, hidden=4, embedding=3, attention=7)


def _decoder(config: DecoderConfig = SMALL) -> AttentionDecoder:
    torch.manual_seed(0)
    return AttentionDecoder(config).double().eval()


def _maps(photos: int = 2, locations: int = 9) -> Tensor:
    return torch.randn(photos, locations, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def _by_hand(decoder: AttentionDecoder, features: Tensor, words: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """The equations of the paper for one photo and one caption, a location at a time, with torch's own LSTM cell."""
    config = decoder.config
    a = decoder.project(features)
    cell = torch.nn.LSTMCell(config.embedding + config.values, config.hidden).double()
    size = config.attention
    attention, recurrent = decoder.from_hidden.weight[:size], decoder.from_hidden.weight[size + 1 :]
    with torch.no_grad():
        cell.weight_ih.copy_(torch.cat([decoder.from_word.weight, decoder.from_context.weight], dim=1))
        cell.weight_hh.copy_(recurrent)
        cell.bias_ih.copy_(decoder.from_hidden.bias[config.attention + 1 :])
        cell.bias_hh.zero_()
    h, c = torch.tanh(decoder.start_hidden(a.mean(0))), torch.tanh(decoder.start_cell(a.mean(0)))
    scores, maps = [], []
    for word in words:
        queried = attention @ h + decoder.from_hidden.bias[: config.attention]
        e = torch.stack([decoder.score(torch.tanh(decoder.keys(a_i) + queried))[0] for a_i in a])
        alpha = torch.softmax(e, dim=0)
        row = config.attention
        beta = torch.sigmoid(decoder.from_hidden.weight[row] @ h + decoder.from_hidden.bias[row])
        z = beta * sum(weight * a_i for weight, a_i in zip(alpha, a, strict=True))
        y = decoder.words.weight[word]
        h, c = (part[0] for part in cell(torch.cat([y, z])[None], (h[None], c[None])))
        scores.append(decoder.out(y + decoder.out_hidden(h) + decoder.out_context(z)))
        maps.append(alpha)
    return scores, maps


@pytest.mark.parametrize("tied", [True, False])
def test_it_computes_the_equations_of_the_paper(tied: bool) -> None:
    decoder = _decoder(replace(SMALL, tied=tied))
    assert (decoder.out.weight is decoder.words.weight) == tied
    features = _maps()
    words = torch.tensor([[[3, 5, 6], [4, 7, 7]], [[3, 8, 9], [4, 10, 5]]])
    with torch.no_grad():
        decoded = decoder(decoder.memory(features), words)
        logits = decoder.logits(decoded.outputs)
        for photo in range(2):
            for caption in range(2):
                scores, maps = _by_hand(decoder, features[photo], words[photo, caption].tolist())
                torch.testing.assert_close(logits[photo, caption], torch.stack(scores))
                torch.testing.assert_close(decoded.maps[photo, caption].double(), torch.stack(maps), atol=1e-6, rtol=0)


def test_steps_and_whole_captions_agree() -> None:
    decoder = _decoder()
    words = torch.tensor([[[3, 5, 6, 7]], [[4, 7, 8, 9]]])
    with torch.no_grad():
        memory = decoder.memory(_maps())
        decoded = decoder(memory, words)
        state = decoder.first_state(memory, 1)
        for place in range(4):
            scores, attention, state = decoder.step(memory, state, words[:, :, place])
            torch.testing.assert_close(scores, decoder.logits(decoded.outputs[:, :, place]))
            torch.testing.assert_close(attention, decoded.maps[:, :, place])


def test_attention_is_a_distribution_and_gradients_reach_everything() -> None:
    decoder = _decoder()
    decoded = decoder(decoder.memory(_maps()), torch.tensor([[[3, 5]], [[4, 7]]]))
    torch.testing.assert_close(decoded.maps.sum(-1), torch.ones(2, 1, 2))
    (decoder.logits(decoded.outputs).square().sum() + decoded.maps.square().sum()).backward()
    assert [name for name, each in decoder.named_parameters() if each.grad is None or not each.grad.any()] == []


def test_the_forget_gate_is_open_at_first() -> None:
    bias = _decoder().from_hidden.bias
    assert bias[7 + 1 + 4 : 7 + 1 + 8].tolist() == [1.0] * 4
    assert int(bias.count_nonzero()) == 4


def test_states_of_other_captions() -> None:
    state = State(torch.arange(12.0).view(1, 3, 4), -torch.arange(12.0).view(1, 3, 4))
    taken = state.gather(torch.tensor([[2, 0, 0]]))
    assert taken.hidden[0, :, 0].tolist() == [8.0, 0.0, 0.0]
    assert taken.cell[0, :, 0].tolist() == [-8.0, 0.0, 0.0]


def test_sampled_words_take_the_place_of_given_ones() -> None:
    """With certainty, what is given after the first word makes no difference; without, the seed doesn't."""
    decoder = _decoder()
    with torch.no_grad():
        memory = decoder.memory(_maps())
        given = [torch.tensor([[[3, a, b]], [[3, b, a]]]) for a, b in ((5, 6), (9, 10))]
        outputs = []
        for words in given:
            torch.manual_seed(7)
            outputs.append(decoder(memory, words, sampling=1.0).outputs)
        torch.testing.assert_close(outputs[0], outputs[1])
        plain = [decoder(memory, words).outputs for words in given]
        assert not torch.allclose(plain[0], plain[1])


def test_the_coverage_penalty_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]]]])
    # Two words count: (1.5, 0.5) was looked at, (1, 1) would be fair.
    assert coverage_penalty(maps, torch.tensor([[2]])).item() == pytest.approx(0.25)
    assert coverage_penalty(maps[:, :, 1:2], torch.tensor([[1]])).item() == pytest.approx(0.0)


def test_another_tau_changes_the_penalty_by_a_constant() -> None:
    maps = torch.randn(1, 2, 4, 6, generator=torch.Generator().manual_seed(0)).softmax(-1)
    spread = maps.sum(2)
    ours = coverage_penalty(maps, torch.tensor([[4, 4]])).item()
    papers = (1 - spread).square().mean().item()
    assert papers - ours == pytest.approx(1 - 2 * (4 / 6) + (4 / 6) ** 2, abs=1e-5)
    assert math.isfinite(ours)
