"""Captioners of transformers behind the protocol of captioners: BLIP, GIT, and vision encoders with a text decoder.

BLIP (Li et al. 2022), such as ``Salesforce/blip-image-captioning-base``, and vision encoder-decoders, such as
``nlpconnect/vit-gpt2-image-captioning``, look at patches of the photo for each piece of a word: their attention maps
are those of the last layer, the mean over its heads. GIT (Wang et al. 2022), such as ``microsoft/git-base-coco``,
has no layer that looks at the photo alone, and so no maps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, LogitsProcessor, LogitsProcessorList

from models.captioning.networks import NETWORKS, CaptionNetwork
from models.captioning.pieces import PIECES_PER_WORD, WordPieces
from models.captioning.types import Caption, CaptionerInfo, CaptionerUnavailableError, CaptionOptions, check_options
from models.hub import impatient_hub, model_fingerprint, processor_preprocess, reason
from models.joint.loading import parse_device
from models.joint.towers import PHOTOS_PER_BATCH, PHOTOS_PER_BATCH_ON_CPU, check_pixels, normalise_pixels
from models.types import EncoderUnavailableError, ImagePreprocess, UInt8Array

_CAPTIONS_PER_BATCH = 64
_BLOCKED_NGRAM = 3
_PROBE = "Crème brûlée with 2 1/2 cups of Basmati rice & lemon!"


def load_huggingface(name: str, device: str = "cpu") -> HuggingFaceCaptioner:
    """Load a captioner by its name at the hub, from where it is fetched unless it is cached, or from a folder.

    Raises:
        CaptionerUnavailableError: it is of no kind that is known here, takes pictures of a kind that isn't made here,
            lacks weights, or is not cached and can't be fetched.
    """
    try:
        where = parse_device(device)
    except EncoderUnavailableError as error:
        raise CaptionerUnavailableError(str(error)) from error
    if Path(name).is_dir():
        return _load(name, where, local=True)
    with impatient_hub() as online:
        try:
            return _load(name, where, local=not online)
        except CaptionerUnavailableError as error:
            if online or not isinstance(error.__cause__, OSError):
                raise
            raise CaptionerUnavailableError(
                f"the captioner {name!r} is not cached and there is no network; "
                "connect the machine to the network once, or name a folder that holds it"
            ) from error


def _load(name: str, device: torch.device, *, local: bool) -> HuggingFaceCaptioner:
    try:
        kind = AutoConfig.from_pretrained(name, local_files_only=local).model_type
        if kind not in NETWORKS:
            raise ValueError(f"it is of the kind {kind!r}, captioners are {', '.join(NETWORKS)}")
        preprocess = processor_preprocess(AutoImageProcessor.from_pretrained(name, local_files_only=local))
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
        network = NETWORKS[kind].load(name, local)
        return HuggingFaceCaptioner(network, tokenizer, preprocess, name=f"huggingface:{name}", device=device)
    except Exception as error:  # transformers, its hub's client and torch each raise their own
        raise CaptionerUnavailableError(f"the captioner {name!r} can't be loaded: {reason(error)}") from error


class HuggingFaceCaptioner:
    """A captioner of transformers as a :class:`models.captioning.types.Captioner`.

    Captions are found by the model's own beam search; probabilities and maps come from reading each caption once more.

    Raises:
        ValueError: the network can't look at pictures of this size.
    """

    def __init__(
        self, network: CaptionNetwork, tokenizer: Any, preprocess: ImagePreprocess, *, name: str, device: torch.device
    ) -> None:
        self._network, self._device, self._tokenizer = network, device, tokenizer
        model = network.model.to(device).eval().requires_grad_(False)
        self.pieces = word_pieces(tokenizer, network.vocabulary, network.end, device)
        self._grid = network.grid(self._see(np.zeros((1, preprocess.size, preprocess.size, 3), np.uint8), preprocess))
        probe = np.array(tokenizer(_PROBE)["input_ids"], dtype=np.int64).tobytes()
        self._info = CaptionerInfo(
            name=name,
            fingerprint=model_fingerprint(model, preprocess, probe),
            preprocess=preprocess,
            styles=("general",),
            grid=self._grid,
            vocabulary=network.vocabulary,
            device=str(device),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            licence="that of the weights",
            description=f"{type(model).__name__} of transformers",
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
            captions += self._captions(self._see(pixels[start : start + most], self._info.preprocess), options)
        return captions

    @torch.inference_mode()
    def _see(self, pixels: UInt8Array, preprocess: ImagePreprocess) -> Tensor:
        return self._network.see(normalise_pixels(pixels, preprocess, self._device))

    def _captions(self, seen: Tensor, options: CaptionOptions) -> list[list[Caption]]:
        written = self._network.write(
            seen,
            num_beams=options.beams,
            num_return_sequences=options.num_captions,
            min_new_tokens=1,
            max_new_tokens=PIECES_PER_WORD * options.max_words + 1,
            no_repeat_ngram_size=_BLOCKED_NGRAM,
            forced_eos_token_id=self._network.end,
            logits_processor=LogitsProcessorList([_WordLimit(self.pieces, options.max_words)]),
        )
        seen = seen.repeat_interleave(options.num_captions, dim=0)
        scores, maps = self._network.read(seen, written[:, :-1], attention=options.attention)
        gains = scores.float().log_softmax(dim=-1).gather(2, written[:, 1:, None]).squeeze(-1)
        captions = [
            self._caption(row, own, maps[place] if maps is not None else None)
            for place, (row, own) in enumerate(zip(written[:, 1:].tolist(), gains.tolist(), strict=True))
        ]
        several = options.num_captions
        return [captions[start : start + several] for start in range(0, len(captions), several)]

    def _caption(self, pieces: list[int], gains: list[float], maps: Tensor | None) -> Caption:
        """From what was written, up to its end; what follows is padding."""
        length = pieces.index(self._network.end)
        looked = None
        if maps is not None and self._grid is not None:
            # What is before the patches stands for the whole photo.
            patches = maps[:length, maps.shape[1] - self._grid[0] * self._grid[1] :].float()
            looked = (patches / patches.sum(dim=-1, keepdim=True)).cpu().numpy().reshape(-1, *self._grid)
        return self.pieces.caption(pieces[:length], gains[: length + 1], looked)


class _WordLimit(LogitsProcessor):  # type: ignore[misc]
    """Ends captions of the beam search that have all their words; before each stands one start token."""

    def __init__(self, pieces: WordPieces, words: int) -> None:
        self._pieces, self._words = pieces, words

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        limited = scores.clone()
        self._pieces.limit(limited, input_ids[:, 1:], self._words)
        return limited


def word_pieces(tokenizer: Any, vocabulary: int, end: int, device: torch.device) -> WordPieces:
    """The pieces of a tokenizer of transformers: one begins a word where it is set apart from a word before it."""

    def decode(pieces: Any) -> str:
        return str(tokenizer.decode(list(pieces), skip_special_tokens=True))

    [*_, ordinary] = tokenizer("a", add_special_tokens=False)["input_ids"]
    known = range(min(vocabulary, len(tokenizer)))
    texts = tokenizer.batch_decode(
        [[ordinary, piece] for piece in known], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    begins = torch.zeros(vocabulary, dtype=torch.bool)
    begins[: len(known)] = torch.tensor([len(text.split()) > 1 for text in texts])
    return WordPieces(begins.to(device), torch.zeros(vocabulary, dtype=torch.bool, device=device), end, decode)
