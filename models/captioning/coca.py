"""CoCa (Yu et al. 2022) of open_clip as a captioner.

Its decoder reads 255 summaries of the photo that attention pooling made, none of which belongs to a place: there are
no attention maps. The search is that of this package: open_clip's own needs parts of older versions of transformers,
and tells no probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.coca_model import CoCa
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from models.captioning.decoder import Memory
from models.captioning.pieces import PIECES_PER_WORD, WordPieces
from models.captioning.search import SearchSettings, beam_search
from models.captioning.types import Caption, CaptionerInfo, CaptionerUnavailableError, CaptionOptions, check_options
from models.joint.loading import parse_device
from models.joint.open_clip_encoder import open_clip_fingerprint, open_clip_model
from models.joint.towers import PHOTOS_PER_BATCH, PHOTOS_PER_BATCH_ON_CPU, check_pixels, normalise_pixels
from models.types import EncoderUnavailableError, ImagePreprocess, UInt8Array

_CAPTIONS_PER_BATCH = 64
_WORD_ENDS = "</w>"


def load_coca(spec: str, device: str = "cpu") -> CocaCaptioner:
    """Load ``MODEL/PRETRAINED`` (a tag of open_clip's, fetched where not cached) or ``MODEL@FILE``, such as
    ``coca_ViT-B-32/mscoco_finetuned_laion2b_s13b_b90k``.

    Raises:
        CaptionerUnavailableError: as :func:`models.joint.open_clip_encoder.load_open_clip` raises its error, or the
            model is no CoCa with open_clip's own tokenizer.
    """
    try:
        where = parse_device(device)
        model, tokenizer, preprocess = open_clip_model(spec, "coca")
    except EncoderUnavailableError as error:
        raise CaptionerUnavailableError(str(error)) from error
    fits = isinstance(model, CoCa) and isinstance(tokenizer, SimpleTokenizer)
    if not fits or model.text.vocab_size != tokenizer.vocab_size:
        raise CaptionerUnavailableError(
            f"{spec!r} writes no captions; use a CoCa of open_clip with its own tokenizer, such as coca_ViT-B-32"
        )
    return CocaCaptioner(model, tokenizer, preprocess, name=f"coca:{spec}", device=where)


class CocaCaptioner:
    """A CoCa as a :class:`models.captioning.types.Captioner`, with ``general`` captions."""

    def __init__(
        self, model: Any, tokenizer: Any, preprocess: ImagePreprocess, *, name: str, device: torch.device
    ) -> None:
        self._model, self._device = model.to(device).eval().requires_grad_(False), device
        self._decoder, self._start = CocaDecoder(self._model), tokenizer.sot_token_id
        # The text tower's own state of the whole takes a place.
        self._most_pieces = min(model.context_length, model.text.num_pos - 1) - 1
        self._pieces = word_pieces(tokenizer, device)
        self._info = CaptionerInfo(
            name=name,
            fingerprint=open_clip_fingerprint(model, tokenizer, preprocess),
            preprocess=preprocess,
            styles=("general",),
            grid=None,
            vocabulary=tokenizer.vocab_size,
            device=str(device),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            licence="that of the open_clip weights",
            description="A CoCa of open_clip",
        )

    @property
    def info(self) -> CaptionerInfo:
        return self._info

    @torch.inference_mode()
    def caption_pixels(self, pixels: UInt8Array, options: CaptionOptions) -> list[list[Caption]]:
        """See :class:`models.captioning.types.Captioner`."""
        check_pixels(pixels, self._info.preprocess.size)
        check_options(self._info, options)
        most = PHOTOS_PER_BATCH_ON_CPU if self._device.type == "cpu" else PHOTOS_PER_BATCH
        most = max(1, min(most, _CAPTIONS_PER_BATCH // options.beams))
        captions: list[list[Caption]] = []
        for start in range(0, len(pixels), most):
            captions += self._captions(pixels[start : start + most], options)
        return captions

    def _captions(self, pixels: UInt8Array, options: CaptionOptions) -> list[list[Caption]]:
        seen = self._model(normalise_pixels(pixels, self._info.preprocess, self._device))["image_embs"]
        settings = SearchSettings(
            beams=options.beams, max_words=min(PIECES_PER_WORD * options.max_words, self._most_pieces)
        )

        def limit(gains: Tensor, pieces: Tensor) -> None:
            self._pieces.limit(gains, pieces, options.max_words)

        found = beam_search(
            self._decoder,
            Memory(values=seen, keys=seen),
            self._start,
            settings,
            (self._start,),
            end=self._pieces.end,
            limit=limit,
        )
        return [
            [self._pieces.caption(each.words, each.log_probabilities) for each in captions[: options.num_captions]]
            for captions in found
        ]


@dataclass(frozen=True, slots=True)
class Written:
    """What is written so far: int64 (n, k, t), the start first."""

    pieces: Tensor

    def gather(self, rows: Tensor) -> Written:
        """The pieces of other captions of the same photos."""
        return Written(self.pieces.gather(1, rows.unsqueeze(-1).expand(-1, -1, self.pieces.shape[-1])))


class CocaDecoder:
    """The two decoders of a CoCa, word by word, for :func:`models.captioning.search.beam_search`.

    The ``values`` of a memory are what the photo was pooled to, (n, summaries, width).
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def first_state(self, memory: Memory, captions: int) -> Written:
        nothing = torch.empty((len(memory.values), captions, 0), dtype=torch.long, device=memory.values.device)
        return Written(nothing)

    def step(self, memory: Memory, state: Written, words: Tensor) -> tuple[Tensor, Tensor, Written]:
        """Scores (n, k, vocabulary) of what follows; no maps, (n, k, 0)."""
        pieces = torch.cat([state.pieces, words.unsqueeze(-1)], dim=-1)
        photos, captions = words.shape
        seen = memory.values.repeat_interleave(captions, dim=0)
        out = self._model(None, pieces.flatten(0, 1), image_latent=seen[:, 0], image_embs=seen, output_labels=False)
        scores: Tensor = out["logits"][:, -1].unflatten(0, (photos, captions))
        return scores, scores.new_empty((photos, captions, 0)), Written(pieces)


def word_pieces(tokenizer: SimpleTokenizer, device: torch.device) -> WordPieces:
    """The byte pairs of CLIP, which say where a word ends."""
    known = [tokenizer.decoder[number] for number in range(tokenizer.vocab_size)]
    ends = torch.tensor([piece.endswith(_WORD_ENDS) for piece in known], device=device)

    def decode(pieces: Sequence[int]) -> str:
        return str(tokenizer.decode(pieces))

    return WordPieces(torch.zeros_like(ends), ends, tokenizer.eot_token_id, decode)
