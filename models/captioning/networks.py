"""What captioners of transformers have in common, though each has names of its own for it: see, write, read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from transformers import BlipForConditionalGeneration, GitForCausalLM, VisionEncoderDecoderModel
from transformers.modeling_outputs import BaseModelOutput

# Encoders put so many states before those of the patches, at most: of the class, and of a distillation.
_MOST_BEFORE_PATCHES = 2
# Read by no decoder, and left out of some checkpoints.
_UNUSED = "pooler"


class CaptionNetwork(ABC):
    """A network that sees a photo and writes a caption of pieces.

    Attributes:
        model: of transformers.
        start, end, pad: numbers of the pieces before, after and behind a caption.
        vocabulary: how many pieces there are.
    """

    model_class: ClassVar[Any]
    more: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, model: Any, start: int, end: int, pad: int | None, vocabulary: int) -> None:
        self.model = model
        self.start, self.end, self.pad, self.vocabulary = start, end, end if pad is None else pad, vocabulary

    @classmethod
    def load(cls, name: str, local: bool) -> Self:
        """From the hub or, where ``local``, the cache or a folder.

        Raises:
            ValueError: weights are missing, or start or end are not known. OSError: there is no such thing.
        """
        model, loaded = cls.model_class.from_pretrained(
            name, local_files_only=local, output_loading_info=True, dtype=torch.float32, **cls.more
        )
        missing = sorted(each for each in loaded["missing_keys"] if _UNUSED not in each)
        if missing:
            raise ValueError(f"its weights lack {len(missing)} tensors, such as {missing[0]}")
        return cls.of(model)

    @classmethod
    @abstractmethod
    def of(cls, model: Any) -> Self: ...

    @abstractmethod
    def see(self, pixels: Tensor) -> Tensor:
        """Normalised float32 (n, 3, size, size) -> what captions are written from, n rows."""

    @abstractmethod
    def read(self, seen: Tensor, pieces: Tensor, *, attention: bool) -> tuple[Tensor, Tensor | None]:
        """Scores of what follows each piece, and where the decoder looked for it.

        Args:
            seen: n rows of :meth:`see`.
            pieces: int64 (n, t), the start first.

        Returns:
            (n, t, vocabulary) and, where they are asked for and there are any, maps (n, t, states).
        """

    @abstractmethod
    def _generate(self, seen: Tensor, settings: Mapping[str, Any]) -> Any: ...

    def write(self, seen: Tensor, **settings: Any) -> Tensor:
        """The most likely captions, int64 (n * num_return_sequences, t): start, pieces, end, padding."""
        chosen = {"do_sample": False, "length_penalty": 1.0, "repetition_penalty": 1.0, "max_length": None}
        ends = {"eos_token_id": self.end, "pad_token_id": self.pad}
        pieces: Tensor = self._generate(seen, {**chosen, **ends, **settings})
        return pieces

    def grid(self, seen: Tensor) -> tuple[int, int] | None:  # noqa: ARG002
        """Rows and columns of patches that the decoder looks at; None where it looks at something else."""
        return None


class BlipNetwork(CaptionNetwork):
    model_class = BlipForConditionalGeneration

    @classmethod
    def of(cls, model: Any) -> Self:
        text = model.config.text_config
        return cls(model, text.bos_token_id, text.sep_token_id, text.pad_token_id, text.vocab_size)

    def see(self, pixels: Tensor) -> Tensor:
        states: Tensor = self.model.vision_model(pixel_values=pixels).last_hidden_state
        return states

    def read(self, seen: Tensor, pieces: Tensor, *, attention: bool) -> tuple[Tensor, Tensor | None]:
        out = self.model.text_decoder(input_ids=pieces, encoder_hidden_states=seen, output_attentions=attention)
        return out.logits, out.cross_attentions[-1].mean(dim=1) if attention else None

    def _generate(self, seen: Tensor, settings: Mapping[str, Any]) -> Any:
        start = torch.full((len(seen), 1), self.start, device=seen.device)
        return self.model.text_decoder.generate(input_ids=start, encoder_hidden_states=seen, **settings)

    def grid(self, seen: Tensor) -> tuple[int, int] | None:
        vision = self.model.config.vision_config
        return square_grid(seen.shape[1], vision.image_size, vision.patch_size)


class EncoderDecoderNetwork(CaptionNetwork):
    model_class = VisionEncoderDecoderModel
    # Only this implementation gives attention maps.
    more = {"attn_implementation": "eager"}  # noqa: RUF012

    @classmethod
    def of(cls, model: Any) -> Self:
        found = {
            name: next(
                (value for config in _configs(model) if (value := getattr(config, name, None)) is not None), None
            )
            for name in ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id")
        }
        start, end = found["decoder_start_token_id"], found["eos_token_id"]
        start = found["bos_token_id"] if start is None else start
        if not isinstance(start, int) or not isinstance(end, int):
            raise ValueError(f"its configuration names no one start and end of captions ({start}, {end})")
        return cls(model, start, end, found["pad_token_id"], model.config.decoder.vocab_size)

    def see(self, pixels: Tensor) -> Tensor:
        states: Tensor = self.model.encoder(pixel_values=pixels).last_hidden_state
        return states

    def read(self, seen: Tensor, pieces: Tensor, *, attention: bool) -> tuple[Tensor, Tensor | None]:
        out = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=seen),
            decoder_input_ids=pieces,
            decoder_attention_mask=torch.ones_like(pieces),
            output_attentions=attention,
        )
        return out.logits, out.cross_attentions[-1].mean(dim=1) if attention else None

    def _generate(self, seen: Tensor, settings: Mapping[str, Any]) -> Any:
        outputs = BaseModelOutput(last_hidden_state=seen)
        return self.model.generate(encoder_outputs=outputs, decoder_start_token_id=self.start, **settings)

    def grid(self, seen: Tensor) -> tuple[int, int] | None:
        vision = self.model.config.encoder
        sizes = getattr(vision, "image_size", None), getattr(vision, "patch_size", None)
        return square_grid(seen.shape[1], *sizes)


class GitNetwork(CaptionNetwork):
    model_class = GitForCausalLM

    @classmethod
    def of(cls, model: Any) -> Self:
        config = model.config
        return cls(model, config.bos_token_id, config.eos_token_id, config.pad_token_id, config.vocab_size)

    def see(self, pixels: Tensor) -> Tensor:
        """The pixels themselves: the photo goes into the decoder with the words."""
        return pixels

    def read(self, seen: Tensor, pieces: Tensor, *, attention: bool) -> tuple[Tensor, Tensor | None]:  # noqa: ARG002
        logits = self.model(pixel_values=seen, input_ids=pieces).logits
        # Before the words come the states of the photo.
        return logits[:, -pieces.shape[1] :], None

    def _generate(self, seen: Tensor, settings: Mapping[str, Any]) -> Any:
        start = torch.full((len(seen), 1), self.start, device=seen.device)
        return self.model.generate(pixel_values=seen, input_ids=start, **settings)


#: By the type of model that a configuration names.
NETWORKS: Mapping[str, type[CaptionNetwork]] = {
    "blip": BlipNetwork,
    "git": GitNetwork,
    "vision-encoder-decoder": EncoderDecoderNetwork,
}


def square_grid(states: int, image_size: Any, patch_size: Any) -> tuple[int, int] | None:
    """Rows and columns of the patches among an encoder's states, which come last; None where those are no patches."""
    if not isinstance(image_size, int) or not isinstance(patch_size, int):
        return None
    side = image_size // patch_size
    return (side, side) if 0 <= states - side * side <= _MOST_BEFORE_PATCHES else None


def _configs(model: Any) -> tuple[Any, ...]:
    return model.generation_config, model.config, model.config.decoder
