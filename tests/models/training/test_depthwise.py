import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.depthwise import quick_depthwise_gradients


def _gradients(network: nn.Module, x: Tensor, *, bfloat16: bool) -> tuple[Tensor, list[Tensor]]:
    network.zero_grad()
    leaf = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        out = network(leaf)
    out.float().square().mean().backward()
    assert leaf.grad is not None
    return out.detach().float(), [leaf.grad, *(p.grad for p in network.parameters() if p.grad is not None)]


@pytest.mark.parametrize("stride", [1, 2])
def test_in_float32_results_and_gradients_are_the_librarys(stride: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 6, 5, stride=stride, padding=2, groups=6, bias=False)
    x = torch.randn(3, 6, 9, 9).to(memory_format=torch.channels_last)
    out, gradients = _gradients(layer, x, bfloat16=False)
    with quick_depthwise_gradients(layer):
        quick, quick_gradients = _gradients(layer, x, bfloat16=False)
    torch.testing.assert_close(quick, out)
    for mine, theirs in zip(quick_gradients, gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_in_bfloat16_gradients_are_no_further_from_float32_than_the_librarys() -> None:
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    x = torch.randn(2, 3, 64, 64)
    exact, plain = (_flat(network, x, bfloat16=each) for each in (False, True))
    with quick_depthwise_gradients(network):
        quick = _flat(network, x, bfloat16=True)
    assert functional.cosine_similarity(quick, exact, dim=0) > functional.cosine_similarity(plain, exact, dim=0) - 0.01


def _flat(network: nn.Module, x: Tensor, *, bfloat16: bool) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in _gradients(network, x, bfloat16=bfloat16)[1]])


def test_only_depthwise_layers_change_and_only_for_a_while() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.Conv2d(4, 4, 3, groups=2, bias=False), nn.Conv2d(4, 4, 3, groups=4)
    )
    with quick_depthwise_gradients(network):
        assert ["forward" in vars(layer) for layer in network] == [True, False, False]
    assert not any("forward" in vars(layer) for layer in network)


def test_frozen_kernels_get_no_gradient() -> None:
    layer = nn.Conv2d(4, 4, 3, groups=4, bias=False).requires_grad_(False)
    x = torch.randn(1, 4, 8, 8, requires_grad=True)
    with quick_depthwise_gradients(layer):
        layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
