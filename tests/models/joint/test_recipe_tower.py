import pytest
import torch
from torch import Tensor

from models.joint.lines import LineKind
from models.joint.recipe_tower import ComponentPooling, RecipeTower


def _tower(layers: int) -> RecipeTower:
    torch.manual_seed(0)
    tower = RecipeTower(12, 16, width=24, layers=layers, heads=3).eval()
    with torch.no_grad():  # queries start at zero: give attention something to do
        tower.pool.query.normal_()
    return tower


def _recipe(*kinds: LineKind, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, len(kinds), 12, generator=generator), torch.tensor([kinds])


WHOLE = (LineKind.TITLE, LineKind.INGREDIENT, LineKind.INGREDIENT, LineKind.INSTRUCTION)


@pytest.mark.parametrize("layers", [0, 2])
@pytest.mark.parametrize("kinds", [WHOLE, WHOLE[:1], WHOLE[1:2], WHOLE[3:], WHOLE[1:]])
def test_any_subset_of_components_is_finite(layers: int, kinds: tuple[LineKind, ...]) -> None:
    out = _tower(layers)(*_recipe(*kinds))
    assert out.shape == (1, 16)
    assert out.isfinite().all()


@pytest.mark.parametrize("layers", [0, 2])
def test_padding_carries_nothing(layers: int) -> None:
    tower, (lines, kinds) = _tower(layers), _recipe(*WHOLE)
    padded = torch.cat([lines, torch.full((1, 5, 12), 99.0)], dim=1)
    padded_kinds = torch.cat([kinds, torch.zeros(1, 5, dtype=torch.long)], dim=1)
    torch.testing.assert_close(tower(padded, padded_kinds), tower(lines, kinds), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers", [0, 2])
def test_a_recipe_is_a_set_of_lines(layers: int) -> None:
    tower, (lines, kinds) = _tower(layers), _recipe(*WHOLE)
    order = torch.tensor([2, 3, 0, 1])
    torch.testing.assert_close(tower(lines[:, order], kinds[:, order]), tower(lines, kinds), atol=1e-5, rtol=1e-5)


def test_the_kind_of_a_line_matters() -> None:
    tower, (lines, kinds) = _tower(1), _recipe(*WHOLE)
    other = torch.where(kinds == LineKind.INGREDIENT, int(LineKind.INSTRUCTION), kinds)
    assert (tower(lines, kinds) - tower(lines, other)).abs().max() > 1e-3


def test_pooling_starts_as_the_mean_of_each_component() -> None:
    torch.manual_seed(0)
    pool = ComponentPooling(24, 3)
    x, kinds = torch.randn(1, 4, 24), torch.tensor([(*WHOLE[:3], LineKind.INGREDIENT)])
    pooled = pool(x, kinds).view(3, 24)
    values = pool.value(pool.norm(x))[0]
    torch.testing.assert_close(pooled[0], values[0])
    torch.testing.assert_close(pooled[1], values[1:].mean(dim=0))
    torch.testing.assert_close(pooled[2], pool.missing[2])
