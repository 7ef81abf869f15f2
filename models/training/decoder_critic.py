"""A discriminator for the sharpness of decoded pictures, which looks through a frozen classifier as that of the drawn
ones does (Sauer et al. 2021): one trained on pixels alone asks for grain, this one for what photos show."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.projected_critic import FeatureMixing, ProjectedCritic, ProjectionNetwork


class DecoderCritic(nn.Module):
    """Scores of the places of a picture, (n, 3, S, S) in [-1, 1] -> (n, places); only the heads are trained.

    Args:
        width: see :func:`models.training.projected_critic.mixed_widths`.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.eyes, self.mixing = ProjectionNetwork(), FeatureMixing(width)
        self.critic = ProjectedCritic(width)

    def forward(self, pictures: Tensor) -> Tensor:
        """Higher is more like a photo."""
        return torch.cat(self.critic(self.mixing(self.eyes(pictures))), 1)


def critic_loss(critic: nn.Module, real: Tensor, drawn: Tensor) -> Tensor:
    """The hinge loss of the critic; no gradient reaches the pictures."""
    scores = critic(torch.cat([real, drawn.detach()])).float()
    on_real, on_drawn = scores.chunk(2)
    return functional.relu(1 - on_real).mean() + functional.relu(1 + on_drawn).mean()


def balanced_backward(pictures: Tensor, last: Tensor, main: Tensor, other: Tensor, share: float) -> None:
    """Backward through ``pictures`` from two losses of them; at ``last``, the weight of the layer that makes them, the
    second one's gradient has ``share`` of the norm that the first one's has, whatever the losses' scales (Esser et al.
    2021, section 3.2).

    Measured at the pictures themselves the shares would deceive: absolute errors of many pixels nearly cancel out in a
    weight, and a critic that wants all of them darker does not.
    """
    (to_main,) = torch.autograd.grad(main, pictures)
    (to_other,) = torch.autograd.grad(other, pictures)
    at_main, at_other = (
        torch.autograd.grad(pictures, last, gradient, retain_graph=True)[0].float().norm()
        for gradient in (to_main, to_other)
    )
    scale = share * at_main / at_other.clamp_min(1e-12)
    pictures.backward(to_main + scale.to(to_main.dtype) * to_other)  # type: ignore[no-untyped-call]
