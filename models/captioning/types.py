"""What captioners take and give. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

from models.types import Float32Array, ImagePreprocess, ModelError, UInt8Array

CaptionStyle: TypeAlias = Literal["general", "dish"]
STYLES: tuple[CaptionStyle, ...] = get_args(CaptionStyle)
RequestedStyle: TypeAlias = Literal["auto", "general", "dish"]
MAX_BEAMS, MAX_WORDS = 20, 50


class CaptionerUnavailableError(ModelError):
    """A captioner can't be used: missing or changed files, or made for another vision tower."""


class CaptionOptionError(ModelError):
    """The captioner can't do what an option asks: a style it was not trained on, or maps it doesn't have."""


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """What is asked for each photo.

    Attributes:
        style: ``general`` describes what is seen; ``dish`` names the dish; ``auto`` is ``dish`` for photos that the
            captioner takes for food, where it knows both, and else the style that it knows.
        beams: hypotheses kept at each word, 1 to 20; 1 is greedy.
        num_captions: captions given back, best first; at most ``beams``.
        max_words: the longest caption, 1 to 50 words.
        attention: also give, for each word, where the model looked.

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    style: RequestedStyle = "auto"
    beams: int = 5
    num_captions: int = 1
    max_words: int = 24
    attention: bool = False

    def __post_init__(self) -> None:
        if self.style not in get_args(RequestedStyle):
            raise ValueError(f"style must be one of {', '.join(get_args(RequestedStyle))}, not {self.style!r}")
        for name, most in (("beams", MAX_BEAMS), ("num_captions", self.beams), ("max_words", MAX_WORDS)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                limit = f"{most} (beams)" if name == "num_captions" else str(most)
                raise ValueError(f"{name} must be between 1 and {limit}, not {value}")


@dataclass(frozen=True, slots=True)
class CaptionedWord:
    """A word of a caption and its natural log-probability, given the photo and the words before it."""

    text: str
    log_probability: float


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption of a photo.

    Attributes:
        text: the words as one reads them.
        words: what the model wrote, one by one.
        log_probability: of the whole caption, its end included.
        attention: float32 (words, rows, columns), each map adding up to 1, over the square that
            :func:`models.preprocess.to_pixels` makes of the photo; None where none were asked for.
        style: in which it is written.
    """

    text: str
    words: tuple[CaptionedWord, ...]
    log_probability: float
    attention: Float32Array | None = None
    style: CaptionStyle = "general"


@dataclass(frozen=True, slots=True)
class CaptionerInfo:
    """What is worth knowing about a loaded captioner.

    ``fingerprint`` (hex sha256) covers weights, vocabulary, vision tower and preprocessing. ``grid`` is (rows,
    columns) of its attention maps, None where it has none.
    """

    name: str
    fingerprint: str
    preprocess: ImagePreprocess
    styles: tuple[CaptionStyle, ...]
    grid: tuple[int, int] | None
    vocabulary: int
    device: str
    parameters: int
    licence: str
    description: str = ""


class Captioner(Protocol):
    """Captions of photos. Not thread-safe: a lane of the engine owns its captioner.

    A caption does not depend on the other photos of a batch beyond float rounding, and nothing is random.
    """

    @property
    def info(self) -> CaptionerInfo: ...

    def caption_pixels(self, pixels: UInt8Array, options: CaptionOptions) -> list[list[Caption]]:
        """Preprocessed pictures, uint8 (n, size, size, 3), n > 0 -> for each, ``num_captions`` captions, best first
        (fewer where the model finds fewer).

        Raises:
            ValueError: the pixels have another shape or type.
            CaptionOptionError: the captioner has no such style, or no attention maps.
        """
        ...


def check_options(info: CaptionerInfo, options: CaptionOptions) -> None:
    """Raises CaptionOptionError where a captioner can't do what the options ask."""
    if options.style != "auto" and options.style not in info.styles:
        known: Sequence[str] = info.styles
        raise CaptionOptionError(f"{info.name} has no style {options.style!r}; it has {', '.join(known)}")
    if options.attention and info.grid is None:
        raise CaptionOptionError(f"{info.name} has no attention maps; ask without attention")
