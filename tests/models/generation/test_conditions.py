import pytest
import torch

from models.generation.conditions import ConditionCentring, kind_numbers


def test_the_offset_of_a_kind_is_taken_away() -> None:
    torch.manual_seed(0)
    centring = ConditionCentring(16)
    shared = torch.nn.functional.normalize(torch.randn(5, 16), dim=1)
    centring.means.copy_(3 * torch.randn(3, 16))
    kinds = kind_numbers(["text", "recipe", "photo", "photo", "text"], torch.device("cpu"))
    assert kinds.tolist() == [0, 1, 2, 2, 0]
    centred = centring(shared + centring.means[kinds], kinds)
    assert torch.allclose(centred, 4 * shared, atol=1e-5)
    assert centred.norm(dim=1).tolist() == pytest.approx([4.0] * 5)
