from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from models.joint.lite import JointHeads, LiteConfig
from models.training.dataset import Batch
from models.training.objective import JointObjective, LossWeights, PairOptions
from models.types import ModelError

SHAPE = LiteConfig(dim=16, hidden=16, recipe_width=24, recipe_heads=2)


def _batch(n: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    lines, texts = torch.randn(n, 3, 384, generator=generator), torch.randn(n, 384, generator=generator)
    return Batch(
        images=torch.randn(n, 1280, generator=generator),
        lines=functional.normalize(lines, dim=-1),
        kinds=torch.tensor([[1, 2, 3]] * n),
        texts=functional.normalize(texts, dim=-1),
        titles=functional.normalize(texts, dim=-1),
        labels=torch.eye(n, 4, dtype=torch.bool),
    )


def _objective(weights: LossWeights, pairs: PairOptions) -> JointObjective:
    torch.manual_seed(0)
    return JointObjective(JointHeads(SHAPE), SHAPE.dim, torch.randn(4, 384), weights, pairs)


@pytest.mark.parametrize(
    "pairs",
    [
        PairOptions(),
        PairOptions(loss="sigmoid"),
        PairOptions(loss="triplet"),
        PairOptions(soft=0.2),
        PairOptions(mixup=1.0),
    ],
    ids=["info_nce", "sigmoid", "triplet", "soft", "mixup"],
)
def test_every_loss_of_pairs_learns_which_belong_together(pairs: PairOptions) -> None:
    objective = _objective(LossWeights(text=0, semantic=0, tags=0), pairs)
    batch = _batch()
    optimiser = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    for _ in range(120):
        (loss,) = objective(batch, None).values()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        image = objective.heads.embed_images(batch.images)
        recipe = objective.heads.embed_recipes(batch.lines, batch.kinds)
    assert (image @ recipe.T).argmax(dim=1).tolist() == list(range(len(image)))


def test_parts_of_weight_zero_are_left_out() -> None:
    nothing = LossWeights(text=0, cosine=0, semantic=0, tags=0, corpus=0, structure=0)
    assert _objective(nothing, PairOptions())(_batch(), None).keys() == {"pairs"}
    everything = LossWeights(text=1, cosine=1, semantic=1, tags=1, corpus=1, structure=1)
    batch = _batch()
    corpus = ((batch.lines[:, :1], batch.kinds[:, :1]), (batch.lines[:, 1:], batch.kinds[:, 1:]))
    parts = _objective(everything, PairOptions())(batch, corpus)
    assert parts.keys() == {"pairs", "text", "cosine", "semantic", "tags", "structure", "corpus"}
    assert all(torch.isfinite(part) for part in parts.values())


def test_pairs_are_mixed_in_training_alone() -> None:
    objective = _objective(LossWeights(text=0, semantic=0, tags=0), PairOptions(mixup=1.0))
    plain = _objective(LossWeights(text=0, semantic=0, tags=0), PairOptions())
    batch = _batch()
    assert objective.train()(batch, None)["pairs"].item() != plain(batch, None)["pairs"].item()
    assert objective.eval()(batch, None)["pairs"].item() == plain(batch, None)["pairs"].item()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "sigmoid", "soft": 0.2}, "'sigmoid' takes no soft"),
        ({"loss": "triplet", "mixup": 1.0}, "'triplet' takes no mixup"),
        ({"loss": "triplet", "soft": 0.1, "mixup": 1.0}, "takes no soft and no mixup"),
        ({"soft": 0.2, "mixup": 1.0}, "leave one of them at 0"),
    ],
)
def test_options_that_would_not_count_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        PairOptions(**options)


def test_kept_neighbourhoods_pull_at_the_heads_alone() -> None:
    nothing_else = LossWeights(text=0, semantic=0, tags=0, structure=1)
    objective = _objective(nothing_else, PairOptions())
    batch = _batch()
    images = batch.images.requires_grad_()
    torch.nn.init.zeros_(
        objective.heads.image.project.weight
    )  # what reaches the photos now can't come through the head
    torch.nn.init.zeros_(objective.heads.image.project.bias)
    objective(replace(batch, images=images), None)["structure"].backward()
    assert images.grad is None or not images.grad.any()
