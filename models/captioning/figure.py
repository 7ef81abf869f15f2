"""A caption drawn as in Xu et al. 2015 (figures 1 and 5): the photo, then for each word where the model looked."""

from __future__ import annotations

from PIL import Image

from models.attention_figure import COLUMNS, PANEL, WHOLE, Panel, panels_figure
from models.captioning.types import Caption, CaptionOptionError
from models.preprocess import Region
from models.types import Float32Array


def attention_figure(
    photo: Image.Image,
    caption: Caption,
    *,
    region: Region = WHOLE,
    panel: int = PANEL,
    columns: int = COLUMNS,
) -> Image.Image:
    """The photo, then a panel for each word, as :func:`models.attention_figure.panels_figure` draws them.

    Raises:
        CaptionOptionError: the caption has no maps.
        ValueError: the maps don't belong to the words or hold no numbers, or ``panel`` or ``columns`` is below 1.
    """
    panels = [Panel(each, (word.text,)) for each, word in zip(_maps(caption), caption.words, strict=True)]
    return panels_figure(photo, panels, region=region, panel=panel, columns=columns)


def _maps(caption: Caption) -> Float32Array:
    maps = caption.attention
    if maps is None:
        raise CaptionOptionError("the caption has no attention maps to draw; ask for it with attention")
    if maps.ndim != 3 or len(maps) != len(caption.words) or 0 in maps.shape[1:]:
        raise ValueError(f"{len(caption.words)} words need as many maps, not an array of shape {maps.shape}")
    return maps
