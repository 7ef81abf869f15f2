import pytest
import torch

from models.joint.lite import LiteConfig
from models.training.start import Start
from models.types import EncoderUnavailableError

pytestmark = pytest.mark.weights
SMALL = LiteConfig(dim=16, hidden=16, recipe_width=24, recipe_heads=2, image_size=32)


def test_tuned_tensors_lie_on_top_of_the_pretrained_ones() -> None:
    plain = Start(SMALL)
    tuned = Start(SMALL, trunk={"conv_stem.weight": torch.ones(32, 3, 3, 3)})
    assert plain.tuned == ""
    assert len(tuned.tuned) == 12
    before, after = (start.build_clip().visual.trunk.state_dict() for start in (plain, tuned))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"conv_stem.weight"}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"no_such.weight": torch.ones(1)}, r"have \['no_such.weight'\], which tf_efficientnet_lite0 lacks"),
        ({"conv_stem.weight": torch.ones(1)}, "don't fit tf_efficientnet_lite0"),
    ],
)
def test_a_tower_that_does_not_fit_is_refused(tensors: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(EncoderUnavailableError, match=message):
        Start(SMALL, trunk=tensors).build_clip()


def test_heads_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EncoderUnavailableError, match="don't fit their shape"):
        Start(SMALL, heads={"log_scale": torch.ones(())}).build_heads(0.1)
