"""The captions that photos are given by the captioner as they come in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.engine.types import Engine
from app.problems import field_problem
from app.services.captioning import SWITCHED_OFF
from app.services.items import AutoCaptions, Automatic
from app.services.resources import Resources
from index.text import normalize_captions
from index.types import Picture, PictureCaption
from models.captioning.types import (
    Caption,
    CaptionerUnavailableError,
    CaptionOptionError,
    CaptionOptions,
    check_options,
)
from models.types import ImagePreprocess


@dataclass(frozen=True, slots=True)
class CaptionPlan:
    """How a photo gets its caption: the captioner's name, how it wants to see photos, and what it is asked."""

    model: str
    preprocess: ImagePreprocess
    options: CaptionOptions


def caption_plan(engine: Engine, wanted: AutoCaptions) -> CaptionPlan:
    """What becomes of each photo whose caption is wanted.

    Raises:
        CaptionerUnavailableError: the settings ask for no captioner.
        Problem: 422: the captioner has no such style.
        UnavailableError: the engine has not started.
    """
    captioner = engine.captioner
    if captioner is None:
        raise CaptionerUnavailableError(SWITCHED_OFF)
    options = CaptionOptions(style=wanted.style)
    try:
        check_options(captioner, options)
    except CaptionOptionError as error:
        raise field_problem("auto_captions_style", str(error)) from None
    return CaptionPlan(captioner.name, captioner.preprocess, options)


def require_models(wanted: Automatic, resources: Resources) -> None:
    """Make sure that photos can be given what is wanted.

    Raises:
        TaggerUnavailableError: tags are wanted and there is no head for this encoder.
        CaptionerUnavailableError, Problem, UnavailableError: as :func:`caption_plan`, where captions are wanted.
    """
    if wanted.tags is not None:
        resources.taggers.head()
    if wanted.captions is not None:
        caption_plan(resources.engine, wanted.captions)


def with_caption(picture: Picture, caption: Caption, model: str) -> Picture:
    """``picture`` with the caption by ``model`` after its own, unless it has that one already.

    Raises:
        ValueError: the photo has the most captions already.
    """
    made = PictureCaption(caption.text, caption.style, model)
    return replace(picture, captions=normalize_captions((*picture.captions, made)))
