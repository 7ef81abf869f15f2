"""The worker of the captioner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app.engine.checks import check_captions
from app.engine.model_worker import ModelWorker, rows_by
from app.engine.torch_worker import stack_pixels
from app.engine.types import Failed, Operation, Payload, PhotoToCaption
from app.engine.workers import ItemError, SelfTestError
from models.captioning.types import Caption, CaptionOptions, check_options

if TYPE_CHECKING:
    from models.captioning.types import Captioner


class CaptionWorker(ModelWorker["Captioner", "tuple[Caption, ...]"]):
    """Runs ``CAPTION`` on a captioner. Imports torch in :meth:`load`, not before."""

    operation: ClassVar[Operation] = Operation.CAPTION
    role: ClassVar[str] = "captioner"

    def load_model(self, spec: str, device: str) -> Captioner:
        from models.captioning.loading import load_captioner

        return load_captioner(spec, device=device)

    def self_test(self) -> None:
        info = self.loaded().info
        size = info.preprocess.size
        grey = np.full((size, size, 3), 128, np.uint8)
        options = CaptionOptions(beams=2, max_words=5, attention=info.grid is not None)
        (captions,) = self.run(Operation.CAPTION, [PhotoToCaption(grey, options)])
        outcome = check_captions(captions)
        if isinstance(outcome, Failed):
            raise SelfTestError(f"a grey square can't be captioned: {outcome.detail}")

    def run_batch(self, model: Captioner, payloads: Sequence[Payload]) -> list[tuple[Caption, ...]]:
        photos = [_photo(each) for each in payloads]
        # All are looked at before any is captioned: an unfit one should cost its neighbours no work.
        pixels = stack_pixels([photo.pixels for photo in photos], model.info.preprocess.size)
        by_options = rows_by(photo.options for photo in photos)
        for options in by_options:
            check_options(model.info, options)
        captions: list[tuple[Caption, ...]] = [()] * len(photos)
        for options, rows in by_options.items():
            for row, found in zip(rows, model.caption_pixels(pixels[rows], options), strict=True):
                captions[row] = tuple(found)
        return captions


def _photo(payload: Payload) -> PhotoToCaption:
    if not isinstance(payload, PhotoToCaption):
        raise ItemError("a photo to caption must be given as PhotoToCaption")
    return payload
