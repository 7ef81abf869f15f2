"""Tags of any vocabulary by the joint space alone: how much nearer a photo is to a tag than to tags in general.

A raw cosine is not comparable between photos, texts or encoders (photos and texts lie in two cones of the space). So
two offsets are taken away: the mean text vector from each tag's vector, and a photo's mean similarity to a reference
vocabulary from its similarities. What is left is scaled to a log-odds by two numbers fitted on tagged photos
(Platt scaling, Platt 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from models.tagging.head import require_fit
from models.tagging.scoring import checked_vectors, sigmoid
from models.tagging.types import TaggerUnavailableError
from models.tagging.vocabulary import TagVocabulary, built_in_vocabulary
from models.tagging.weights import SHIPPED_TAGS, load_tag_weights
from models.types import EncoderInfo, Float32Array, JointEncoder

#: For encoders whose calibration was never fitted: about what was fitted for the shipped ones.
DEFAULT_SCALE, DEFAULT_BIAS, DEFAULT_THRESHOLD = 15.0, -5.0, 0.15
_TEXTS_A_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class ZeroShotCalibration:
    """What turns a cosine into a probability.

    Args:
        text_mean: (dim,), the mean text vector of the reference vocabulary.
        reference: (dim,), the mean of the reference's vectors after centring: a photo's product with it is its mean
            similarity to the reference.
        scale: log-odds a unit of centred cosine.
        bias: log-odds of a tag that is as near as tags are on average.
        threshold: the probability from which a tag counts as given.
        fitted: whether scale and bias were fitted for this encoder, or are the defaults.
    """

    text_mean: Float32Array
    reference: Float32Array
    scale: float = DEFAULT_SCALE
    bias: float = DEFAULT_BIAS
    threshold: float = DEFAULT_THRESHOLD
    fitted: bool = False

    @classmethod
    def of_reference(cls, texts: Float32Array) -> Self:
        """Default numbers over the text vectors (tags, dim) of a reference vocabulary."""
        text_mean = np.asarray(texts.mean(axis=0), dtype=np.float32)
        return cls(text_mean, np.asarray(centred(texts, text_mean).mean(axis=0), dtype=np.float32))

    @classmethod
    def load(cls, encoder: EncoderInfo, folder: Path = SHIPPED_TAGS) -> Self:
        """The calibration that was fitted with the trained head in ``folder``.

        Raises:
            TaggerUnavailableError: files are missing or changed, or were made for another encoder.
        """
        manifest, tensors = load_tag_weights(folder)
        require_fit(manifest, encoder, folder)
        try:
            text_mean, reference = tensors["zero_shot.text_mean"], tensors["zero_shot.reference"]
            numbers = {name: float(manifest.zero_shot[name]) for name in ("scale", "bias", "threshold")}
            if text_mean.shape != (encoder.dim,) or reference.shape != (encoder.dim,):
                raise ValueError("the mean vectors have another width")
        except (KeyError, TypeError, ValueError) as error:
            raise TaggerUnavailableError(f"the tag weights in {folder} hold no calibration: {error}") from error
        return cls(text_mean, reference, fitted=True, **numbers)


class ZeroShotTagger:
    """Implements :class:`models.tagging.types.Tagger` for any vocabulary.

    Args:
        vocabulary: names and groups.
        text_vectors: unit-norm float32 (tags, dim): the encoder's vectors of the names as they stand (phrases such as
            "a photo of ..." were measured to be worse than bare names).
        calibration: of the same encoder.

    Raises:
        ValueError: the shapes don't fit.
    """

    def __init__(self, vocabulary: TagVocabulary, text_vectors: Float32Array, calibration: ZeroShotCalibration) -> None:
        if text_vectors.shape != (len(vocabulary), calibration.text_mean.shape[0]):
            raise ValueError(
                f"{len(vocabulary)} tags of an encoder of width {calibration.text_mean.shape[0]} need text vectors "
                f"of that shape, not {text_vectors.shape}"
            )
        self._vocabulary = vocabulary
        self._calibration = calibration
        self._directions = centred(text_vectors, calibration.text_mean) - calibration.reference

    @property
    def names(self) -> tuple[str, ...]:
        return self._vocabulary.names

    @property
    def groups(self) -> tuple[str, ...]:
        return self._vocabulary.groups

    @property
    def calibration(self) -> ZeroShotCalibration:
        return self._calibration

    def similarities(self, vectors: Float32Array) -> Float32Array:
        """Unit-norm (n, dim) -> centred cosines float32 (n, tags). Raises ValueError on another width or NaN."""
        return checked_vectors(vectors, self._directions.shape[1]) @ self._directions.T

    def score(self, vectors: Float32Array) -> Float32Array:
        """Unit-norm (n, dim) -> probabilities float32 (n, tags). Raises ValueError on another width or NaN."""
        return sigmoid(self._calibration.scale * self.similarities(vectors) + self._calibration.bias)


def centred(texts: Float32Array, text_mean: Float32Array) -> Float32Array:
    """Text vectors (n, dim) less their mean, of unit norm again; one that is the mean itself stays zero."""
    differences = texts - text_mean
    norms = np.linalg.norm(differences, axis=1, keepdims=True)
    return np.asarray(differences / np.maximum(norms, 1e-6), dtype=np.float32)


def encode_names(encoder: JointEncoder, names: Sequence[str]) -> Float32Array:
    """The text vectors of tags as they stand: unit-norm float32 (names, dim)."""
    starts = range(0, len(names), _TEXTS_A_BATCH)
    return np.concatenate([encoder.encode_texts(names[start : start + _TEXTS_A_BATCH]) for start in starts])


def zero_shot_tagger(encoder: JointEncoder, vocabulary: TagVocabulary, weights: Path = SHIPPED_TAGS) -> ZeroShotTagger:
    """A tagger by the calibration in ``weights`` where that fits the encoder, or else by the default one."""
    texts = encode_names(encoder, vocabulary.names)
    try:
        calibration = ZeroShotCalibration.load(encoder.info, weights)
    except TaggerUnavailableError:
        calibration = ZeroShotCalibration.of_reference(encode_names(encoder, built_in_vocabulary().names))
    return ZeroShotTagger(vocabulary, texts, calibration)
