"""A photo in, captions out, and where the model looked for each word."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from PIL import Image

from app.engine.types import Done, Operation, PhotoToCaption
from app.problems import Problem, field_problem
from app.services.photo_views import read_view
from app.services.query import Item, Photo
from app.services.resources import Resources
from app.services.timings import Timings
from models.attention_figure import PANEL, to_png
from models.captioning.figure import attention_figure
from models.captioning.types import (
    Caption,
    CaptionerInfo,
    CaptionerUnavailableError,
    CaptionOptionError,
    CaptionOptions,
    check_options,
)
from models.preprocess import Region

#: What is said where the settings ask for no captioner.
SWITCHED_OFF = "captions are switched off; set TASTESPACE_CAPTIONER to a captioner, such as tastespace-captions"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRequest:
    """Which captions of which photo; with ``figure`` the best of them is drawn, which takes attention maps."""

    photo: Photo | Item
    options: CaptionOptions
    figure: bool = False


@dataclass(frozen=True, slots=True)
class CaptionAnswer:
    """Captions, best first. ``region``: what of the photo the model saw, over which its maps lie; ``figure``: PNG."""

    captions: tuple[Caption, ...]
    captioner: CaptionerInfo
    region: Region
    timings: Timings
    figure: bytes | None = None


class Captioning:
    """Captions photos. Safe to call from many tasks of one event loop."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def caption(self, request: CaptionRequest) -> CaptionAnswer:
        """Caption a photo.

        Raises:
            CaptionerUnavailableError: the settings ask for no captioner.
            UnknownItemError: the photo is not there.
            BlobMissingError, BlobCorruptError: its file is missing or damaged.
            PictureError: the file is no picture.
            EngineError: the model is at capacity, late, or not there.
            Problem: 422: the captioner can't do what the options ask, or refused the photo.
            TimeoutError: it took longer than a request may.
        """
        resources = self._resources
        captioner = resources.engine.captioner
        if captioner is None:
            raise CaptionerUnavailableError(SWITCHED_OFF)
        options = _checked(captioner, request)
        timings = Timings()
        async with asyncio.timeout(resources.settings.request_timeout_s):
            view = await read_view(
                resources, request.photo, captioner.preprocess, timings, PANEL if request.figure else None
            )
            captions = await self._captions(PhotoToCaption(view.pixels, options), timings)
            figure = None
            if view.panel is not None:
                with timings.stage("draw"):
                    figure = await resources.executors.decode(_draw, view.panel, captions[0], view.region)
        for name, seconds in timings.seconds.items():
            resources.metrics.observe_stage(name, seconds)
        return CaptionAnswer(captions, captioner, view.region, timings, figure)

    async def _captions(self, photo: PhotoToCaption, timings: Timings) -> tuple[Caption, ...]:
        with timings.stage("caption"):
            outcomes = await self._resources.engine.submit(
                Operation.CAPTION, [photo], timeout_s=self._resources.settings.request_timeout_s
            )
        outcome = outcomes[0]
        if not isinstance(outcome, Done):
            raise Problem("captioning-failed", outcome.detail)
        if not outcome.value:
            raise Problem("captioning-failed", "the model found no caption for this photo; ask for more beams or words")
        return outcome.value


def _checked(captioner: CaptionerInfo, request: CaptionRequest) -> CaptionOptions:
    """The options as the model gets them. Raises Problem 422 that names the field the captioner can't do."""
    options = replace(request.options, attention=request.options.attention or request.figure)
    try:
        check_options(captioner, replace(options, attention=False))
    except CaptionOptionError as error:
        raise field_problem("style", str(error)) from None
    try:
        check_options(captioner, options)
    except CaptionOptionError as error:
        raise field_problem("Accept" if request.figure else "attention", str(error)) from None
    return options


def _draw(panel: Image.Image, caption: Caption, region: Region) -> bytes:
    return to_png(attention_figure(panel, caption, region=region))
