"""*Show, attend and tell* as a :class:`models.captioning.types.Captioner`: vision tower, decoder and search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from models.captioning.decoder import AttentionDecoder
from models.captioning.limits import style_limit
from models.captioning.search import Hypothesis, SearchSettings, beam_search
from models.captioning.style import StyleGate
from models.captioning.types import (
    Caption,
    CaptionedWord,
    CaptionerInfo,
    CaptionOptions,
    CaptionStyle,
    RequestedStyle,
    check_options,
)
from models.captioning.vision import MapTower
from models.captioning.vocabulary import CaptionVocabulary, detokenize
from models.joint.towers import check_pixels
from models.types import Float32Array, UInt8Array

_CAPTIONS_PER_BATCH = 256


class TellCaptioner:
    """A frozen vision tower and an attention decoder that was trained over its maps.

    Args:
        tower, decoder: on one device; both are put into evaluation mode.
        search: of whatever the options don't say.
        length_alphas: by style, in place of the search's own.
        gate: tells dishes from other photos, for captions in the style ``auto``; None: those are ``general`` where
            that style is known.
        name, fingerprint, licence, description: for ``info``.
    """

    def __init__(
        self,
        tower: MapTower,
        decoder: AttentionDecoder,
        vocabulary: CaptionVocabulary,
        search: SearchSettings,
        *,
        length_alphas: Mapping[CaptionStyle, float] | None = None,
        gate: StyleGate | None = None,
        name: str,
        fingerprint: str = "",
        licence: str = "",
        description: str = "",
    ) -> None:
        self.tower, self.decoder = tower.eval(), decoder.eval().requires_grad_(False)
        self.vocabulary, self.gate = vocabulary, gate
        self.search = {
            style: replace(search, length_alpha=(length_alphas or {}).get(style, search.length_alpha))
            for style in vocabulary.styles
        }
        self._device = next(decoder.parameters()).device
        self._limits = {style: style_limit(style, vocabulary, self._device) for style in vocabulary.styles}
        self._info = CaptionerInfo(
            name=name,
            fingerprint=fingerprint,
            preprocess=tower.config.preprocess,
            styles=vocabulary.styles,
            grid=tower.config.grid,
            vocabulary=len(vocabulary.words),
            device=str(self._device),
            parameters=sum(p.numel() for module in (tower, decoder) for p in module.parameters()),
            licence=licence,
            description=description,
        )

    @property
    def info(self) -> CaptionerInfo:
        return self._info

    def caption_pixels(self, pixels: UInt8Array, options: CaptionOptions) -> list[list[Caption]]:
        """See :class:`models.captioning.types.Captioner`."""
        check_pixels(pixels, self._info.preprocess.size)
        return self.caption_maps(self.feature_maps(pixels), options)

    def feature_maps(self, pixels: UInt8Array) -> Float32Array:
        """uint8 (n, size, size, 3) -> float32 (n, locations, width): what the decoder looks at."""
        return self.tower.maps(pixels)

    @torch.inference_mode()
    def caption_maps(self, maps: Float32Array, options: CaptionOptions) -> list[list[Caption]]:
        """Captions of photos whose maps, float32 (n, locations, width), are there already.

        Raises CaptionOptionError as :meth:`caption_pixels` does.
        """
        check_options(self._info, options)
        captions: list[list[Caption]] = [[] for _ in maps]
        styles = self._styles(maps, options.style)
        for style in dict.fromkeys(styles):
            rows = [row for row, each in enumerate(styles) if each == style]
            for row, found in zip(rows, self._write(maps[rows], style, options), strict=True):
                captions[row] = found
        return captions

    def _styles(self, maps: Float32Array, style: RequestedStyle) -> list[CaptionStyle]:
        """The style that each photo is captioned in."""
        if style != "auto":
            return [style] * len(maps)
        known = self._info.styles
        if self.gate is None or len(known) == 1:
            return ["general" if "general" in known else known[0]] * len(maps)
        return ["dish" if dish else "general" for dish in self.gate.is_dish(maps)]

    def _write(self, maps: Float32Array, style: CaptionStyle, options: CaptionOptions) -> Iterator[list[Caption]]:
        """Captions of one style: a batch of the search has one start token."""
        settings = replace(
            self.search[style],
            beams=options.beams,
            max_words=options.max_words,
            min_words=min(self.search[style].min_words, options.max_words),
        )
        token, never = self.vocabulary.start(style), self.vocabulary.never_written
        most = max(1, _CAPTIONS_PER_BATCH // options.beams)
        for start in range(0, len(maps), most):
            memory = self.decoder.memory(torch.from_numpy(maps[start : start + most]).to(self._device))
            for found in beam_search(self.decoder, memory, token, settings, never, limit=self._limits[style]):
                yield self._captions(found[: options.num_captions], style, options.attention)

    def _captions(self, found: Sequence[Hypothesis], style: CaptionStyle, attention: bool) -> list[Caption]:
        rows, columns = self.tower.config.grid
        captions: list[Caption] = []
        for each in found:
            words = self.vocabulary.decode(each.words)
            # The end has a probability, but is no word.
            spoken = zip(words, each.log_probabilities[:-1], strict=True)
            captions.append(
                Caption(
                    text=detokenize(words),
                    words=tuple(CaptionedWord(word, gain) for word, gain in spoken),
                    log_probability=sum(each.log_probabilities),
                    attention=each.attention.numpy().reshape(-1, rows, columns) if attention else None,
                    style=style,
                )
            )
        return captions
