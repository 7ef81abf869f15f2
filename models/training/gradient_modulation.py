"""Slowing down the modality that does all the work (OGM-GE; Peng et al. 2022).

How much a modality contributes to a question is the probability that the true answer gets from it alone. Where one
contributes more than the other over a batch, its own layers learn more slowly in this step (on-the-fly gradient
modulation, section 3.2), and its gradients get noise of their own spread, which the slower steps would else lose
(generalisation enhancement, section 3.3).

Three things differ from the paper. Its networks add up two modalities' scores, where each one's share can be read off;
here the streams are multiplied, and a modality alone is the network with the other one held at its mean over the batch
(a photo's point in the joint space at the origin). Its coefficient scales gradients, for plain gradient descent; AdamW
divides such a factor out again, so here it scales the rate of the step, which under plain gradient descent is the
same. And the noise takes that slowed step too, where the paper adds it at full size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from models.reasoning.fusion import Memory
from models.reasoning.network import ReasoningNetwork
from models.training.optim import parameter_groups

Stream: TypeAlias = Literal["question", "image", "joint"]
_PREFIXES: dict[Stream, tuple[str, ...]] = {
    "question": (
        *("words.", "gru.", "fusion.question.", "fusion.from_question.", "fusion.modulation."),
        "space.question.",
    ),
    # What an answer's nearness to the photo's point is worth: the question has no part in it.
    "image": ("fusion.project.", "fusion.keys.", "fusion.image.", "fusion.blocks.", "space.scale"),
}


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What the rates of the streams are multiplied by, in [0, 1]; ``ratio`` is the contribution of the question over
    that of the image."""

    question: float
    image: float
    ratio: float


@torch.no_grad()
def contributions(
    network: ReasoningNetwork, memory: Memory, photos: Tensor, question: Tensor, targets: Tensor, candidates: Tensor
) -> tuple[Tensor, Tensor]:
    """What the question and the image, each alone, contribute to each of n questions: two tensors (n,), in [0, 1].

    Args:
        question: (n, hidden), as :meth:`models.reasoning.network.ReasoningNetwork.read` gives it.
        targets: (n, answers), scores of the true answers.
        candidates: bool (n, answers), the answers that each question may have: the kind of question is no secret that
            one modality could have, so other answers are left out of the softmax.
    """
    shares = targets / targets.sum(dim=1, keepdim=True)
    middle = question.mean(dim=0, keepdim=True).expand_as(question)
    alone = (
        network(memory.mean(), torch.zeros_like(photos), question).answers,
        network(memory, photos, middle).answers,
    )
    of_question, of_image = (
        (scores.float().masked_fill(~candidates, -torch.inf).softmax(dim=1) * shares).sum(dim=1) for scores in alone
    )
    return of_question, of_image


def coefficients(of_question: Tensor, of_image: Tensor, alpha: float) -> Coefficients:
    """Equations 7 and 8: with rho the ratio of the summed contributions, 1 - tanh(alpha rho) where rho > 1, else 1."""
    question, image = float(of_question.sum()), float(of_image.sum())
    tiny = torch.finfo(torch.float32).tiny
    ratio = max(question, tiny) / max(image, tiny)
    return Coefficients(_coefficient(ratio, alpha), _coefficient(1 / ratio, alpha), ratio)


def stream_groups(network: ReasoningNetwork, weight_decay: float, rate: float) -> list[dict[str, Any]]:
    """Parameter groups as :func:`models.training.optim.parameter_groups` makes them, apart for each stream."""
    groups: list[dict[str, Any]] = []
    streams: tuple[Stream, ...] = ("question", "image", "joint")
    for stream in streams:
        part = nn.ParameterList(parameter for _, parameter in _of_stream(network, stream))
        groups += [group | {"stream": stream} for group in parameter_groups(part, weight_decay, rate)]
    return groups


def modulate_rates(optimiser: torch.optim.Optimizer, found: Coefficients) -> None:
    """Slow this step down for the groups of :func:`stream_groups`, after the schedule has set their rates."""
    factors = {"question": found.question, "image": found.image, "joint": 1.0}
    for group in optimiser.param_groups:
        group["lr"] *= factors[group["stream"]]


@torch.no_grad()
def add_noise(network: ReasoningNetwork, found: Coefficients) -> None:
    """Give the gradients of slowed streams normal noise, of each matrix' own standard deviation (equation 10), by
    torch's generator. Vectors of words get none: most of them have no gradient in a step."""
    slowed: list[Stream] = []
    slowed += ["question"] if found.question < 1 else []
    slowed += ["image"] if found.image < 1 else []
    for stream in slowed:
        for name, parameter in _of_stream(network, stream):
            gradient = parameter.grad
            if gradient is not None and gradient.ndim >= 2 and not name.startswith("words."):
                gradient.add_(torch.randn_like(gradient) * gradient.std())


def _coefficient(ratio: float, alpha: float) -> float:
    return 1 - float(torch.tanh(torch.tensor(alpha * ratio))) if ratio > 1 else 1.0


def _of_stream(network: ReasoningNetwork, stream: Stream) -> Iterator[tuple[str, nn.Parameter]]:
    every = tuple(prefix for prefixes in _PREFIXES.values() for prefix in prefixes)
    for name, parameter in network.named_parameters():
        inside = name.startswith(_PREFIXES[stream]) if stream != "joint" else not name.startswith(every)
        if inside:
            yield name, parameter
