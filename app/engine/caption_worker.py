"""The worker of the captioner."""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger
from typing import TYPE_CHECKING

import numpy as np

from app.engine.checks import check_captions
from app.engine.torch_worker import bound_threads, free_memory, stack_pixels
from app.engine.types import Failed, Operation, Payload, PhotoToCaption
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.captioning.types import Caption, CaptionerInfo, CaptionOptions, check_options

if TYPE_CHECKING:
    from models.captioning.types import Captioner

_logger = getLogger(__name__)


class CaptionWorker(Worker):
    """Runs ``CAPTION`` on a captioner. Imports torch in :meth:`load`, not before."""

    def __init__(self, captioner: str, device: str = "cpu", threads: int = 0) -> None:
        self._spec = captioner
        self._device = device
        self._threads = threads
        self._captioner: Captioner | None = None

    @property
    def operations(self) -> frozenset[Operation]:
        return frozenset({Operation.CAPTION})

    @property
    def device(self) -> str:
        return self._captioner.info.device if self._captioner is not None else self._device

    @property
    def info(self) -> CaptionerInfo | None:
        return self._captioner.info if self._captioner is not None else None

    def load(self) -> None:
        from models.captioning.loading import load_captioner

        bound_threads(self._threads)
        self._captioner = load_captioner(self._spec, device=self._device)
        info = self._captioner.info
        _logger.info("loaded %s (%d parameters) on %s", info.name, info.parameters, info.device)

    def self_test(self) -> None:
        info = self._loaded().info
        size = info.preprocess.size
        grey = np.full((size, size, 3), 128, np.uint8)
        options = CaptionOptions(beams=2, max_words=5, attention=info.grid is not None)
        (captions,) = self.run(Operation.CAPTION, [PhotoToCaption(grey, options)])
        outcome = check_captions(captions)
        if isinstance(outcome, Failed):
            raise SelfTestError(f"a grey square can't be captioned: {outcome.detail}")

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[tuple[Caption, ...]]:
        if operation is not Operation.CAPTION:
            raise ValueError(f"a captioner can't {operation.value}")
        captioner = self._loaded()
        photos = [_photo(each) for each in payloads]
        # All are looked at before any is captioned: an unfit one should cost its neighbours no work.
        pixels = stack_pixels([photo.pixels for photo in photos], captioner.info.preprocess.size)
        for options in {photo.options for photo in photos}:
            check_options(captioner.info, options)
        captions: list[tuple[Caption, ...]] = [()] * len(photos)
        try:
            for options, rows in _by_options(photos).items():
                for row, found in zip(rows, captioner.caption_pixels(pixels[rows], options), strict=True):
                    captions[row] = tuple(found)
        except RuntimeError:
            free_memory(self._device)
            raise
        return captions

    def close(self) -> None:
        self._captioner = None
        free_memory(self._device)

    def _loaded(self) -> Captioner:
        if self._captioner is None:
            raise WorkerDiedError("the captioner is not loaded")
        return self._captioner


def _photo(payload: Payload) -> PhotoToCaption:
    if not isinstance(payload, PhotoToCaption):
        raise ItemError("a photo to caption must be given as PhotoToCaption")
    return payload


def _by_options(photos: Sequence[PhotoToCaption]) -> dict[CaptionOptions, list[int]]:
    """The rows that can share a search: those with the same options."""
    rows: dict[CaptionOptions, list[int]] = {}
    for row, photo in enumerate(photos):
        rows.setdefault(photo.options, []).append(row)
    return rows
