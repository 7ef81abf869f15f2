"""A captioner that knows three words and nothing else."""

from __future__ import annotations

from pathlib import Path

import torch

from models.captioning.decoder import AttentionDecoder, DecoderConfig
from models.captioning.search import SearchSettings
from models.captioning.style import StyleGate
from models.captioning.vision import VisionConfig
from models.captioning.vocabulary import CaptionVocabulary
from models.captioning.weights import CaptionerManifest, save_captioner_weights

VISION = VisionConfig(image_size=64)
VOCABULARY = CaptionVocabulary(["a", "dog", "'s"])
DECODER = DecoderConfig(features=1280, vocabulary=len(VOCABULARY), values=8, hidden=8, embedding=8, attention=8)


def small_decoder(config: DecoderConfig = DECODER) -> AttentionDecoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AttentionDecoder(config).eval()


def small_manifest(*, vision: VisionConfig = VISION, decoder: DecoderConfig = DECODER) -> CaptionerManifest:
    return CaptionerManifest(
        model="small",
        vision=vision,
        decoder=decoder,
        search=SearchSettings(max_words=5),
        styles=VOCABULARY.styles,
        licence="none",
        training={"data": "none"},
    )


def save_small(folder: Path, tower: dict[str, torch.Tensor] | None = None, gate: StyleGate | None = None) -> None:
    save_captioner_weights(folder, small_decoder().state_dict(), tower or {}, VOCABULARY, small_manifest(), gate)
