"""How good the captions of a decoder in training are: free-running search, never teacher forcing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from models.captioning.decoder import AttentionDecoder, Memory
from models.captioning.limits import style_limit
from models.captioning.search import SearchSettings, beam_search
from models.captioning.types import CaptionStyle
from models.captioning.vision import MapTower
from models.captioning.vocabulary import CaptionVocabulary, detokenize
from models.evaluation.caption_metrics import CiderD, bleu, mean_length, tokenize_reference
from models.training.caption_data import CaptionedPhotos, CaptionSet
from models.training.caption_loss import mean_nats
from models.training.feature_maps import MapCache, MapTable

_PHOTOS_PER_BATCH = 50


class StyleValidation:
    """Photos of one style that are held back; ``maps`` are theirs.

    Args:
        held: the photos; captions are scored against all that was written about them.
        cache: whose plain view is used.
        search: how captions are searched for.
    """

    def __init__(
        self, held: CaptionedPhotos, cache: MapCache, tower: MapTower, vocabulary: CaptionVocabulary,
        search: SearchSettings,
    ) -> None:  # fmt: skip
        self.style: CaptionStyle = held.style
        self.maps: MapTable = cache.maps(held.photos, "whole")
        self._tower, self._vocabulary, self._search = tower, vocabulary, search
        self._captions = CaptionSet([held], vocabulary)
        self._references = [[tokenize_reference(text) for text in texts] for texts in held.texts]
        self._cider = CiderD(self._references)

    def measure(self, decoder: AttentionDecoder) -> dict[str, float]:
        """BLEU-1 to BLEU-4 (with brevity penalty; in percent), CIDEr-D, mean words, and the perplexity of a word.

        The decoder must be in evaluation mode.
        """
        written = list(self._write(decoder))
        scores = bleu(self._references, written)
        found = {f"bleu{order}": 100 * score for order, score in enumerate(scores, start=1)}
        return found | {
            "cider": self._cider.score(written)[0],
            "words": mean_length(written),
            "perplexity": self._perplexity(decoder),
        }

    def _write(self, decoder: AttentionDecoder) -> Iterator[list[str]]:
        device = next(decoder.parameters()).device
        limit = style_limit(self.style, self._vocabulary, device)
        never, start = self._vocabulary.never_written, self._vocabulary.start(self.style)
        for first in range(0, len(self.maps), _PHOTOS_PER_BATCH):
            rows = range(first, min(first + _PHOTOS_PER_BATCH, len(self.maps)))
            for found in beam_search(decoder, self._memory(decoder, rows), start, self._search, never, limit=limit):
                words = self._vocabulary.decode(found[0].words) if found else []
                yield tokenize_reference(detokenize(words))

    def _perplexity(self, decoder: AttentionDecoder) -> float:
        total, count = 0.0, 0
        ordered = np.argsort(self._captions.lengths, kind="stable")
        for first in range(0, len(ordered), 4 * _PHOTOS_PER_BATCH):
            batch = self._captions.batch(ordered[first : first + 4 * _PHOTOS_PER_BATCH])
            memory = self._memory(decoder, batch.photos.tolist())
            device = memory.values.device
            nats, words = mean_nats(decoder, memory, batch.inputs.to(device), batch.targets.to(device))
            total, count = total + nats, count + words
        return math.exp(total / max(1, count))

    @torch.inference_mode()
    def _memory(self, decoder: AttentionDecoder, rows: Sequence[int]) -> Memory:
        return decoder.memory(finished(self._tower, torch.from_numpy(self.maps.gather(rows))))


def finished(tower: MapTower, stages: Tensor) -> Tensor:
    """Cached maps, float16 (n, locations, channels) on the CPU -> float32 ones as the decoder takes them, on the
    tower's device."""
    device = next(tower.parameters()).device
    with torch.no_grad():
        return tower.finish(stages.to(device).float()).float()


def weighted_score(metrics: Mapping[CaptionStyle, Mapping[str, float]], dish_share: float) -> float:
    """CIDEr-D over the styles, each by its share of the training: what the epoch is chosen by."""
    if len(metrics) == 1:
        return next(iter(metrics.values()))["cider"]
    return (1 - dish_share) * metrics["general"]["cider"] + dish_share * metrics["dish"]["cider"]
