"""Tagged photos as a training or evaluation set of a tagger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import DataError, RecipeExample, read_recipes
from models.tagging.types import TagGroup
from models.tagging.vocabulary import TagVocabulary, built_in_vocabulary, tag_keys, visible_tags


@dataclass(frozen=True, slots=True, eq=False)
class TaggedPhotos:
    """Photos with at least one tag of any kind: of a recipe without tags it is unknown what it would have."""

    photos: tuple[Path, ...]
    keys: tuple[frozenset[str], ...]  # visible tags of each, in lower case

    def targets(self, vocabulary: TagVocabulary) -> NDArray[np.bool_]:
        """bool (photos, tags): whether the photo's recipe has the tag."""
        names = [name.casefold() for name in vocabulary.names]
        return np.array([[name in keys for name in names] for keys in self.keys], dtype=np.bool_)


def read_tagged(data: Path, split: str) -> TaggedPhotos:
    """The tagged photos of a split.

    Raises:
        DataError: the folder can't be read, or no photo of the split has tags.
    """
    examples = [each for each in read_recipes(data, split) if each.image is not None and each.tags]
    if not examples:
        raise DataError(f"split {split!r} of {data} has no photo with tags")
    photos = tuple(each.image for each in examples if each.image is not None)
    return TaggedPhotos(photos, tuple(_keys(each) for each in examples))


def vocabulary_of(tagged: TaggedPhotos, data: Path, split: str, *, min_positives: int) -> TagVocabulary:
    """Visible tags with at least ``min_positives`` photos: built-in ones in their order, then others by name, in their
    most frequent spelling and of the group ``other``.

    Raises:
        DataError: there is none.
    """
    counts = Counter(key for keys in tagged.keys for key in keys)
    frequent = {key for key, count in counts.items() if count >= min_positives}
    built_in = built_in_vocabulary()
    pairs = [pair for pair in zip(built_in.names, built_in.groups, strict=True) if pair[0].casefold() in frequent]
    own = sorted(frequent - {name.casefold() for name, _ in pairs})
    if own:
        spelling = _spellings(read_recipes(data, split))
        pairs += [(spelling[key], TagGroup.OTHER.value) for key in own]
    if not pairs:
        raise DataError(f"no visible tag is on {min_positives} photos or more of split {split!r} of {data}")
    return TagVocabulary(tuple(name for name, _ in pairs), tuple(group for _, group in pairs))


def _keys(example: RecipeExample) -> frozenset[str]:
    return tag_keys(visible_tags(example.tags))


def _spellings(examples: Sequence[RecipeExample]) -> dict[str, str]:
    counts = Counter(tag for example in examples for tag in example.tags)
    ordered = sorted(counts, key=lambda tag: (counts[tag], tag))
    return {tag.casefold(): tag for tag in ordered}
