"""The trained tagger: one logistic regression a tag over the joint vector, calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from models.tagging.scoring import checked_vectors, sigmoid
from models.tagging.types import TaggerUnavailableError
from models.tagging.vocabulary import TagVocabulary
from models.tagging.weights import REMEDY, SHIPPED_TAGS, TagManifest, load_tag_weights
from models.types import EncoderInfo, Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class TagHead:
    """Implements :class:`models.tagging.types.Tagger` for a fixed vocabulary.

    ``weight`` (dim, tags) and ``bias`` (tags,) are float32, calibration included. ``threshold`` is the probability
    from which a tag counts as given.
    """

    vocabulary: TagVocabulary
    weight: Float32Array
    bias: Float32Array
    threshold: float

    @property
    def names(self) -> tuple[str, ...]:
        return self.vocabulary.names

    @property
    def groups(self) -> tuple[str, ...]:
        return self.vocabulary.groups

    def score(self, vectors: Float32Array) -> Float32Array:
        """Unit-norm (n, dim) -> probabilities float32 (n, tags). Raises ValueError on another width or NaN."""
        return sigmoid(checked_vectors(vectors, self.weight.shape[0]) @ self.weight + self.bias)

    @classmethod
    def load(cls, encoder: EncoderInfo, folder: Path = SHIPPED_TAGS) -> Self:
        """The head in ``folder``, for photos encoded by ``encoder``.

        Raises:
            TaggerUnavailableError: files are missing or changed, or were made for another encoder.
        """
        manifest, tensors = load_tag_weights(folder)
        require_fit(manifest, encoder, folder)
        try:
            vocabulary = TagVocabulary(manifest.names, manifest.groups)
            weight, bias = tensors["head.weight"], tensors["head.bias"]
            if weight.shape != (encoder.dim, len(vocabulary)) or bias.shape != (len(vocabulary),):
                raise ValueError(f"the head has shape {weight.shape}, the vocabulary {len(vocabulary)} tags")
        except (KeyError, ValueError) as error:
            raise TaggerUnavailableError(
                f"the tag weights in {folder} don't fit their own manifest: {error}"
            ) from error
        return cls(vocabulary, weight, bias, manifest.threshold)


def require_fit(manifest: TagManifest, encoder: EncoderInfo, folder: Path) -> None:
    """Raises TaggerUnavailableError where the weights were made for another encoder."""
    if manifest.fingerprint != encoder.fingerprint:
        raise TaggerUnavailableError(
            f"the tag weights in {folder.name} were made for the encoder {manifest.encoder} with fingerprint "
            f"{manifest.fingerprint[:12]}, not for {encoder.name} with {encoder.fingerprint[:12]}; {REMEDY}"
        )
