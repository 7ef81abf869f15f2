from typing import Any

import pytest

from models.captioning.types import CaptionerInfo, CaptionOptionError, CaptionOptions, check_options
from models.joint.towers import lite_preprocess


def test_the_defaults_are_in_range() -> None:
    assert CaptionOptions() == CaptionOptions("auto", beams=5, num_captions=1, max_words=24, attention=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"style": "poem"}, "style must be one of auto, general, dish, not 'poem'"),
        ({"beams": 0}, "beams must be between 1 and 20, not 0"),
        ({"beams": 1000}, "beams must be between 1 and 20, not 1000"),
        ({"beams": 3, "num_captions": 4}, r"num_captions must be between 1 and 3 \(beams\), not 4"),
        ({"num_captions": 0}, "num_captions"),
        ({"max_words": 0}, "max_words"),
        ({"max_words": 51}, "max_words must be between 1 and 50, not 51"),
    ],
)
def test_options_out_of_range_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CaptionOptions(**values)


def test_what_a_captioner_lacks_is_said() -> None:
    info = CaptionerInfo("small", "", lite_preprocess(), ("general",), None, 10, "cpu", 1, "")
    check_options(info, CaptionOptions())
    with pytest.raises(CaptionOptionError, match="small has no style 'dish'; it has general"):
        check_options(info, CaptionOptions(style="dish"))
    with pytest.raises(CaptionOptionError, match="no attention maps"):
        check_options(info, CaptionOptions(attention=True))
