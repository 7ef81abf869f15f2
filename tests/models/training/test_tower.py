import pytest
import timm
import torch
from torch import nn

from models.training.tower import TunedTower


def _trunk() -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    return network


def test_its_features_are_the_trunks_own() -> None:
    trunk = _trunk().eval()
    pixels = torch.randn(35, 3, 32, 32)
    with torch.inference_mode():
        expected = trunk(pixels)
        tower = TunedTower(trunk, frozen_stages=3, drop_path=0.2).eval()
        torch.testing.assert_close(tower(pixels), expected, rtol=1e-4, atol=1e-5)


def test_only_later_stages_are_trained() -> None:
    tower = TunedTower(_trunk(), frozen_stages=3, drop_path=0.0).train()
    tower(torch.randn(2, 3, 32, 32)).square().mean().backward()
    trained = {name for name, parameter in tower.trunk.named_parameters() if parameter.grad is not None}
    assert trained == tower.changed().keys()
    assert {name.split(".")[0] for name in trained} == {"blocks", "conv_head", "bn2"}
    assert {int(name.split(".")[1]) for name in trained if name.startswith("blocks")} == {3, 4, 5, 6}


def test_without_frozen_stages_the_stem_is_trained_too() -> None:
    tower = TunedTower(_trunk(), frozen_stages=0, drop_path=0.0).train()
    tower(torch.randn(2, 3, 32, 32)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in tower.parameters())


def test_training_leaves_the_statistics_of_batch_norms() -> None:
    tower = TunedTower(_trunk(), frozen_stages=2, drop_path=0.1).train()
    before = {name: buffer.clone() for name, buffer in tower.named_buffers()}
    tower(torch.randn(4, 3, 32, 32))
    assert all(torch.equal(before[name], buffer) for name, buffer in tower.named_buffers())


def test_dropped_paths_act_in_training_alone() -> None:
    tower = TunedTower(_trunk(), frozen_stages=2, drop_path=0.9)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(tower.train()(pixels), tower(pixels))
        assert torch.equal(tower.eval()(pixels), tower(pixels))


@pytest.mark.parametrize("stages", [-1, 8])
def test_more_stages_than_there_are_can_not_be_frozen(stages: int) -> None:
    with pytest.raises(ValueError, match="frozen_stages must be between 0 and 7"):
        TunedTower(_trunk(), frozen_stages=stages, drop_path=0.0)
