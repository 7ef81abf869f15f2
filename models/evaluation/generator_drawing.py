"""Pictures of prompts for an evaluation: seeds that depend on the prompt's number alone, re-ranked if asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.generation.types import Generator, PictureRequest
from models.types import Float32Array, JointEncoder, UInt8Array

OnDrawn: TypeAlias = Callable[[str, int, int], None]
_REQUESTS = 32
_LOW = 8


@dataclass(frozen=True, slots=True)
class Drawing:
    """How pictures are drawn.

    Attributes:
        size: side in pixels.
        truncation: see :class:`models.generation.types.PictureRequest`.
        candidates: pictures drawn for each one that is kept: the joint encoder keeps those nearest to the prompt.
            1: all are kept.
        seed: of everything.
    """

    size: int
    truncation: float = 1.0
    candidates: int = 1
    seed: int = 0


class Draughtsman:
    """Draws prompts with a generator, and remembers how long that took.

    Args:
        encoder: of the vectors that the generator is told, and of the re-ranking.

    Raises:
        ValueError: there is no encoder where one is needed.
    """

    def __init__(self, generator: Generator, encoder: JointEncoder | None, drawing: Drawing) -> None:
        if encoder is None and (generator.info.conditions == "vector" or drawing.candidates > 1):
            raise ValueError(f"{generator.info.name} needs an encoder, for its vectors or to re-rank what it draws")
        self._generator, self._encoder, self._drawing = generator, encoder, drawing
        self._seconds, self._drawn = 0.0, 0

    @property
    def pictures_per_second(self) -> float:
        """Of the generator alone, over all that was drawn so far, candidates that were left out included."""
        return self._drawn / self._seconds if self._seconds else 0.0

    def draw(
        self, prompts: Sequence[str], count: int, what: str, on_progress: OnDrawn | None = None, *, fixed: bool = False
    ) -> UInt8Array:
        """uint8 (prompts, count, S, S, 3).

        With m candidates, ``count`` times m pictures are drawn of each prompt and the best ``count`` returned, best
        first.

        Args:
            on_progress: called with (``what``, pictures done, pictures).
            fixed: whether the seeds are 0, 1, 2, ... for every prompt; else they differ from prompt to prompt.

        Raises:
            PictureRequestError: the generator can't draw pictures of this size.
        """
        report = on_progress or (lambda *_: None)
        vectors = self._encoder.encode_texts(prompts) if self._encoder is not None else None
        each, side = count * self._drawing.candidates, self._drawing.size
        requests = [
            self._request(prompt, seed, None if vectors is None else vectors[number])
            for number, prompt in enumerate(prompts)
            for seed in (range(each) if fixed else prompt_seeds(self._drawing.seed, number, each))
        ]
        kept = np.empty((len(prompts), count, side, side, 3), dtype=np.uint8)
        together = each * max(1, _REQUESTS // each)
        for start in range(0, len(requests), together):
            pixels = self._timed(requests[start : start + together])
            for first in range(0, len(pixels), each):
                number = (start + first) // each
                kept[number] = self._best(pixels[first : first + each], count, vectors, number)
            report(what, start + len(pixels), len(requests))
        return kept

    def _request(self, prompt: str, seed: int, vector: Float32Array | None) -> PictureRequest:
        told = vector if self._generator.info.conditions == "vector" else None
        drawing = self._drawing
        return PictureRequest(prompt, told, seed=seed, size=drawing.size, truncation=drawing.truncation)

    def _timed(self, requests: Sequence[PictureRequest]) -> UInt8Array:
        pixels = []
        for start in range(0, len(requests), _REQUESTS):
            begun = time.perf_counter()
            drawn = self._generator.draw(requests[start : start + _REQUESTS])
            self._seconds += time.perf_counter() - begun
            pixels += [each.pixels for each in drawn]
        self._drawn += len(pixels)
        return np.stack(pixels)

    def _best(self, pixels: UInt8Array, count: int, vectors: Float32Array | None, number: int) -> UInt8Array:
        if self._encoder is None or vectors is None or len(pixels) == count:
            return pixels
        scores = self._encoder.encode_images([Image.fromarray(each) for each in pixels]) @ vectors[number]
        return pixels[best_first(scores)[:count]]


def prompt_seeds(seed: int, number: int, count: int) -> list[int]:
    """The seeds of the pictures of one prompt; more of them begin with the same ones."""
    return [int(each) for each in np.random.SeedSequence([seed, number]).generate_state(count)]


def best_first(scores: Float32Array) -> NDArray[np.intp]:
    """The places of scores (n,), highest first; equal ones in their order."""
    return np.argsort(-scores, kind="stable")


def smooth_noise(count: int, side: int, seed: int) -> UInt8Array:
    """uint8 (count, side, side, 3): coloured noise of 8 x 8 numbers, smoothly enlarged. What a network that was never
    trained draws looks much like that."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (count, _LOW, _LOW, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(row).resize((side, side), Image.Resampling.BICUBIC)) for row in rows])
