"""Depthwise convolutions whose gradients a CPU computes quickly.

In bfloat16 the library's gradient with respect to a depthwise kernel took half of a whole training step of
EfficientNet-Lite (176 ms for 64 maps of 672 x 14 x 14 and a 5 x 5 kernel, against 31 ms in float32; at stride 2 the
gradient with respect to the input is as slow). Here the forward pass stays in bfloat16 and both gradients are computed
in float32, which is also the more exact of the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn import functional


class _DepthwiseConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: list[int], padding: list[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        to_input, to_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].float(), x.float(), weight.float(), None, ctx.stride, ctx.padding, [1, 1], False, [0, 0],
            len(weight), wanted,
        )  # fmt: skip
        return (
            to_input.to(x.dtype) if to_input is not None else None,
            to_weight.to(weight.dtype) if to_weight is not None else None,
            None,
            None,
        )


@contextmanager
def quick_depthwise_gradients(network: nn.Module) -> Iterator[None]:
    """Within it, ``network``'s depthwise convolutions without bias or dilation use the quick gradients.

    Their results are those of the library's own within the rounding of bfloat16. Other layers are left alone.
    """
    changed = [module for module in network.modules() if isinstance(module, nn.Conv2d) and _is_depthwise(module)]
    for module in changed:
        module.forward = _forward_of(module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _is_depthwise(module: nn.Conv2d) -> bool:
    return (
        module.groups == module.in_channels == module.out_channels > 1
        and module.bias is None
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def _forward_of(module: nn.Conv2d) -> Any:
    # timm pads as TensorFlow does, by the size of the input, in a class of its own.
    same = type(module).__name__ == "Conv2dSame"
    stride = list(module.stride)
    padding = [0, 0] if same else [int(side) for side in module.padding]

    def forward(x: Tensor) -> Tensor:
        weight = module.weight
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight = x.to(dtype), weight.to(dtype)
        if same:
            x = pad_same(x, list(module.kernel_size), stride, [1, 1])
        out: Tensor = _DepthwiseConvolution.apply(x, weight, stride, padding)
        return out

    return forward
