"""A deterministic engine without models: texts are bags of words, pictures the foods that their colours stand for."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from app.engine.types import (
    Done,
    EngineHealth,
    Failed,
    LaneHealth,
    LaneState,
    Operation,
    Outcome,
    Payload,
    PhotoToAsk,
    PhotoToCaption,
    Priority,
    SaturatedError,
    UnavailableError,
)
from models.captioning.types import (
    Caption,
    CaptionedWord,
    CaptionerInfo,
    CaptionOptionError,
    CaptionOptions,
    check_options,
)
from models.generation.provenance import PictureFormat, Provenance, encode_picture
from models.generation.types import DrawnPicture, GeneratorInfo, PictureRequest, PictureRequestError, check_request
from models.reasoning.types import (
    AnswerOptionError,
    AnswerOptions,
    ReasonerInfo,
    Reasoning,
    ScoredAnswer,
    check_answer_options,
)
from models.types import EncoderInfo, Float32Array, ImagePreprocess, RecipeText, UInt8Array

DIM = 64
COLOURS = {
    "tomato": (220, 30, 30),
    "salad": (40, 170, 50),
    "pasta": (240, 210, 90),
    "rice": (250, 250, 250),
    "meat": (120, 60, 30),
    "berry": (60, 40, 160),
}


def word_vector(word: str) -> Float32Array:
    """A fixed random unit vector for each word."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def text_vector(text: str) -> Float32Array:
    words = re.findall(r"\w+", text.lower()) or ["?"]
    total = np.sum([word_vector(word) for word in words], axis=0)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def pixels_vector(pixels: np.ndarray) -> Float32Array:
    """The sum of the foods whose colours the pixels are nearest to."""
    nearest = foods_of(pixels)
    shares = np.bincount(nearest.ravel(), minlength=len(COLOURS)) / nearest.size
    total = np.sum([share * word_vector(name) for name, share in zip(COLOURS, shares, strict=True)], axis=0)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def foods_of(pixels: np.ndarray) -> np.ndarray:
    """(rows, columns): which of COLOURS, by its place, each pixel is nearest to."""
    palette = np.array(list(COLOURS.values()), dtype=np.float32)
    return np.asarray(np.argmin(((pixels[:, :, None].astype(np.float32) - palette) ** 2).sum(axis=3), axis=2))


def picture(*foods: str, size: tuple[int, int] = (96, 64), format: str = "PNG") -> bytes:  # noqa: A002
    """A picture of vertical stripes, one a food."""
    image = Image.new("RGB", size)
    width = size[0] // len(foods)
    for place, food in enumerate(foods):
        right = size[0] if place == len(foods) - 1 else (place + 1) * width
        image.paste(COLOURS[food], (place * width, 0, right, size[1]))
    buffer = BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


def drawn_file(food: str, picture_format: PictureFormat = "png") -> bytes:
    """A picture in one colour, whose file says that a generator drew it."""
    pixels = np.full((32, 32, 3), COLOURS[food], dtype=np.uint8)
    return encode_picture(pixels, Provenance("fake-pictures", food, seed=1), picture_format)


CAPTIONER = CaptionerInfo(
    name="fake-captions",
    fingerprint="c" * 64,
    preprocess=ImagePreprocess(size=14, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    styles=("general", "dish"),
    grid=(7, 7),
    vocabulary=len(COLOURS) + 5,
    device="cpu",
    parameters=0,
    licence="Apache-2.0",
)


def captions_of(pixels: UInt8Array, options: CaptionOptions, info: CaptionerInfo = CAPTIONER) -> tuple[Caption, ...]:
    """The foods that a photo shows, most of it first: ``a photo of rice and tomato``, or as a dish ``rice tomato``.

    Each further caption begins with the next food and is less likely. Where a word is a food, attention is where
    its colour is; elsewhere it is even.
    """
    check_options(info, options)
    style = info.styles[-1] if options.style == "auto" else options.style
    nearest = foods_of(pixels)
    shares = np.bincount(nearest.ravel(), minlength=len(COLOURS))
    foods = [list(COLOURS)[place] for place in np.argsort(-shares, kind="stable") if shares[place]]
    captions = []
    for place in range(options.num_captions):
        turn = place % len(foods)
        named = foods[turn:] + foods[:turn]
        words = named if style == "dish" else ["a", "photo", "of", *" and ".join(named).split()]
        words = words[: options.max_words]
        scored = tuple(CaptionedWord(word, -0.1 * (place + 1)) for word in words)
        maps = np.stack([_attention(word, nearest) for word in words]) if options.attention else None
        total = sum(word.log_probability for word in scored) - 0.1
        captions.append(Caption(" ".join(words), scored, total, maps, style))
    return tuple(captions)


def _attention(word: str, nearest: np.ndarray) -> Float32Array:
    shown = nearest == list(COLOURS).index(word) if word in COLOURS else np.ones_like(nearest)
    rows, columns = (side // 7 for side in nearest.shape)
    cells = shown.reshape(7, rows, 7, columns).sum(axis=(1, 3)).astype(np.float32)
    return np.asarray(cells / cells.sum(), dtype=np.float32)


GENERATOR = GeneratorInfo(
    name="fake-pictures",
    fingerprint="d" * 64,
    encoder="f" * 64,
    dim=DIM,
    sizes=(32, 16),
    conditions="vector",
    negative=True,
    device="cpu",
    parameters=0,
    licence="Apache-2.0",
)


def drawing_of(request: PictureRequest, info: GeneratorInfo = GENERATOR) -> DrawnPicture:
    """Pixels in the colours of the foods that the condition names, and of others by chance: the fewer, the more the
    picture shows what was asked for. The share of chance is 0, 0.1 ... 0.6 by the seed."""
    check_request(info, request)
    vector = text_vector(request.text) if request.vector is None else request.vector
    negative = request.negative_vector
    wanted = [food for food in COLOURS if vector @ word_vector(food) > 0.4]
    if negative is not None:
        wanted = [food for food in wanted if negative @ word_vector(food) < 0.4]
    random = np.random.default_rng(request.seed)
    palette = np.array([COLOURS[food] for food in wanted or ["rice"]], dtype=np.uint8)
    size = (request.size, request.size)
    asked = palette[random.integers(len(palette), size=size)]
    chance = np.array(list(COLOURS.values()), dtype=np.uint8)[random.integers(len(COLOURS), size=size)]
    by_chance = random.random(size) < request.truncation * (request.seed % 7) / 10
    return DrawnPicture(np.where(by_chance[:, :, None], chance, asked), request.seed)


REASONER = ReasonerInfo(
    name="fake-answers",
    fingerprint="a" * 64,
    preprocess=CAPTIONER.preprocess,
    grid=(7, 7),
    question_types=("dish", "ingredient"),
    answers=len(COLOURS) + 2,
    device="cpu",
    parameters=0,
    licence="Apache-2.0",
)
_QUESTION_WORDS = frozenset({"what", "is", "there", "in", "it", *COLOURS})


def reasoning_of(pixels: UInt8Array, question: str, options: AnswerOptions, info: ReasonerInfo = REASONER) -> Reasoning:
    """To a question that names a food: yes or no, by how much of the photo shows it. To any other: the foods that it
    shows, most of it first. Known are questions of a few words; attention is where the food that is meant is."""
    check_answer_options(info, options)
    words = re.findall(r"\w+", question.lower())
    nearest = foods_of(pixels)
    shares = np.bincount(nearest.ravel(), minlength=len(COLOURS)) / nearest.size
    named = next((word for word in words if word in COLOURS), None)
    if named is not None:
        share = float(shares[list(COLOURS).index(named)])
        found = {"yes": min(1.0, 2 * share), "no": max(0.0, 1 - 2 * share)}
    else:
        found = dict(zip(COLOURS, shares.tolist(), strict=True))
    ranked = sorted(found.items(), key=lambda pair: -pair[1])[: options.top_k]
    unknown = tuple(dict.fromkeys(word for word in words if word not in _QUESTION_WORDS))
    return Reasoning(
        answers=tuple(ScoredAnswer(text, probability) for text, probability in ranked),
        question_type="dish" if named is None else "ingredient",
        known=len(words) > 2 * len(unknown),
        unknown_words=unknown,
        attention=_attention(named or ranked[0][0], nearest) if options.attention else None,
    )


class FakeEngine:
    """Implements :class:`app.engine.types.Engine`. ``gate``: when set to an unset event, work waits for it.

    ``unavailable`` takes down all of it, ``captioner_down`` the captioner alone; ``captioner=None`` is a service
    whose settings ask for none, and so is the default of reasoner and generator. ``encoded`` has all work that was let
    through, captions, answers and drawings too.
    """

    def __init__(
        self,
        *,
        fingerprint: str = "f" * 64,
        captioner: CaptionerInfo | None = CAPTIONER,
        reasoner: ReasonerInfo | None = None,
        generator: GeneratorInfo | None = None,
    ) -> None:
        self.saturated = False
        self.unavailable = False
        self.captioner_down = False
        self.captioner_info = captioner
        self.reasoner_info = reasoner
        self.generator_info = generator
        self.gate: asyncio.Event | None = None
        self.encoded: list[tuple[Operation, Payload]] = []
        self.cancelled = 0
        self.waiting = 0
        self._started = False
        self.info = EncoderInfo(
            name="fake",
            fingerprint=fingerprint,
            dim=DIM,
            preprocess=ImagePreprocess(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
            device="cpu",
            parameters=0,
            licence="Apache-2.0",
        )

    async def start(self) -> None:
        self._started = True

    async def stop(self) -> None:
        self._started = False

    @property
    def encoder(self) -> EncoderInfo:
        if not self._started:
            raise UnavailableError("the encoder is not loaded")
        return self.info

    @property
    def captioner(self) -> CaptionerInfo | None:
        if not self._started:
            raise UnavailableError("the captioner is not loaded")
        return self.captioner_info

    @property
    def reasoner(self) -> ReasonerInfo | None:
        if not self._started:
            raise UnavailableError("the reasoner is not loaded")
        return self.reasoner_info

    @property
    def generator(self) -> GeneratorInfo | None:
        if not self._started:
            raise UnavailableError("the generator is not loaded")
        return self.generator_info

    async def submit(
        self,
        operation: Operation,
        items: Sequence[Payload],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome[Any]]:
        if self.saturated:
            raise SaturatedError(2.5)
        if self.unavailable:
            raise UnavailableError("the worker died")
        if operation is Operation.CAPTION and self.captioner_info is None:
            raise UnavailableError("no model of this service can caption")
        if operation is Operation.CAPTION and self.captioner_down:
            raise UnavailableError("the captioner is not available: the worker died")
        if self.gate is not None:
            self.waiting += 1
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            finally:
                self.waiting -= 1
        self.encoded += [(operation, item) for item in items]
        return [self._one(item) for item in items]

    def health(self) -> EngineHealth:
        ready = self._started and not self.unavailable
        lanes = [_lane("encoder", ready, len(self.encoded))]
        if self.captioner_info is not None:
            lanes.append(_lane("captioner", ready and not self.captioner_down, 0))
        if self.reasoner_info is not None:
            lanes.append(_lane("reasoner", ready, 0))
        if self.generator_info is not None:
            lanes.append(_lane("generator", ready, 0))
        return EngineHealth(ready=ready, lanes=tuple(lanes))

    def _one(self, item: Payload) -> Outcome[Any]:
        if isinstance(item, str):
            return Failed("the text is unfit") if "unfit" in item else Done(text_vector(item))
        if isinstance(item, RecipeText):
            text = " ".join([item.title, *item.ingredients, *item.instructions])
            return Failed("the recipe is unfit") if "unfit" in text else Done(text_vector(text))
        if isinstance(item, PhotoToCaption):
            return self._captions(item)
        if isinstance(item, PhotoToAsk):
            return self._answers(item)
        if isinstance(item, PictureRequest):
            return self._drawing(item)
        return Done(pixels_vector(item))

    def _captions(self, item: PhotoToCaption) -> Outcome[tuple[Caption, ...]]:
        assert self.captioner_info is not None
        try:
            return Done(captions_of(item.pixels, item.options, self.captioner_info))
        except CaptionOptionError as error:
            return Failed(str(error))

    def _answers(self, item: PhotoToAsk) -> Outcome[Reasoning]:
        assert self.reasoner_info is not None
        if "unfit" in item.question:
            return Failed("the question is unfit")
        try:
            return Done(reasoning_of(item.pixels, item.question, item.options, self.reasoner_info))
        except AnswerOptionError as error:
            return Failed(str(error))

    def _drawing(self, item: PictureRequest) -> Outcome[DrawnPicture]:
        assert self.generator_info is not None
        if "undrawable" in item.text:
            return Failed("this can't be drawn")
        try:
            return Done(drawing_of(item, self.generator_info))
        except PictureRequestError as error:
            return Failed(str(error))


def _lane(name: str, ready: bool, completed: int) -> LaneHealth:
    state, detail = (LaneState.READY, "") if ready else (LaneState.FAILED, "the worker died")
    return LaneHealth(name, state, detail, 0, 0, completed, 0, "cpu")
