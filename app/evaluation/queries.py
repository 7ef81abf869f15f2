"""A benchmark of tag arithmetic out of tagged photos, without hand work: who is asked, and what would be right.

A query is a reference photo with an edit of its tags; its target is the edited set. Right answers are the photos whose
own set is near the target by the Jaccard index ``|A & B| / |A | B|``. The form of composed image retrieval with several
right answers is that of CIRCO (Baldrati et al. 2023, "Zero-Shot Composed Image Retrieval with Textual Inversion",
section 4), where people wrote what is made from tags here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from index.types import Int64Array

# 0.7 * 10 is a rounding above 7, and seven of ten shall count.
_ROUNDING = 1e-9


class Edit(StrEnum):
    """What a query does with the tags of its reference photo."""

    SWAP = "swap"
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """``reference``: row of the reference photo in the gallery. ``right``: rows of the right answers, ascending, at
    least one. ``excluded``: the reference and its byte-identical copies, which are neither right nor ranked."""

    reference: int
    removed: str | None
    added: str | None
    target: frozenset[str]
    right: Int64Array
    excluded: Int64Array


def build_queries(
    tag_sets: Sequence[frozenset[str]],
    digests: Sequence[str],
    edit: Edit,
    *,
    jaccard: float = 0.7,
    limit: int = 2_000,
    seed: int = 0,
) -> list[Query]:
    """At most ``limit`` queries that have a right answer; the same for the same arguments.

    They are drawn in rounds. In each round every reference photo, in an order drawn by ``seed``, gives one query that
    it has not given yet: the one whose tags, removed and added, occurred least often so far (of equal ones, one is
    drawn). So no photo and no frequent tag dominates, and photos of a single tag, which can be swapped for every
    other, are no more than their share.

    Args:
        tag_sets: the tags of each photo of the gallery, none empty.
        digests: a photo's content hash, by which its copies are known.

    Raises:
        ValueError: lengths differ, a set is empty, ``jaccard`` is outside (0, 1], ``limit`` is below 1.
    """
    if len(tag_sets) != len(digests):
        raise ValueError(f"there are {len(tag_sets)} sets of tags, but {len(digests)} digests")
    if not all(tag_sets):
        raise ValueError("a photo without tags can't be in the gallery")
    if not 0 < jaccard <= 1:
        raise ValueError(f"jaccard must lie above 0 and at most at 1, not {jaccard}")
    if limit < 1:
        raise ValueError(f"at least one query must be asked for, not {limit}")
    builder = _Builder(tag_sets, digests, jaccard)
    rng = np.random.default_rng(seed)
    pending = {row: edits for row in range(len(tag_sets)) if (edits := builder.answerable(row, edit))}
    used: Counter[tuple[str, str | None]] = Counter()
    queries: list[Query] = []
    while pending and len(queries) < limit:
        for row in rng.permutation(np.array(list(pending))).tolist()[: limit - len(queries)]:
            edits = pending[row]
            draws = rng.random(len(edits))
            chosen = min(range(len(edits)), key=lambda i: (_uses(used, edits[i]), draws[i]))
            removed, added = edits.pop(chosen)
            used.update([("-", removed), ("+", added)])
            queries.append(builder.query(row, removed, added))
            if not edits:
                del pending[row]
    return queries


def _uses(used: Counter[tuple[str, str | None]], edit: tuple[str | None, str | None]) -> int:
    removed, added = edit
    return (used["-", removed] if removed else 0) + (used["+", added] if added else 0)


class _Builder:
    """The sets as a matrix, so that all edits of a photo are held against the whole gallery at once."""

    def __init__(self, tag_sets: Sequence[frozenset[str]], digests: Sequence[str], jaccard: float) -> None:
        self._sets = tag_sets
        self._tags = sorted(frozenset().union(*tag_sets))
        self._column = {tag: column for column, tag in enumerate(self._tags)}
        self._has = np.zeros((len(tag_sets), len(self._tags)), dtype=np.int32)
        for row, tags in enumerate(tag_sets):
            self._has[row, [self._column[tag] for tag in tags]] = 1
        self._sizes = self._has.sum(axis=1)
        self._digests = np.array(digests)
        self._jaccard = jaccard

    def answerable(self, row: int, edit: Edit) -> list[tuple[str | None, str | None]]:
        """The (removed, added) that leave a target which some other photo of the gallery meets, in a fixed order."""
        own = sorted(self._sets[row])
        removable: list[str | None] = [None] if edit is Edit.ADD else [*own]
        if edit is Edit.REMOVE:
            return [(tag, None) for tag in own if len(own) > 1 and len(self.query(row, tag, None).right)]
        shared = self._has @ self._has[row]
        size = len(own) + (edit is Edit.ADD)
        # One more tag may be shared than before the edit; who then still falls short needs no closer look.
        near = (shared + 1 >= self._jaccard * np.maximum(self._sizes, size) - _ROUNDING) & ~self._copies(row)
        has, sizes, shared = self._has[near], self._sizes[near], shared[near]
        found: list[tuple[str | None, str | None]] = []
        for removed in removable:
            kept = shared - (has[:, self._column[removed]] if removed else 0)
            meets = np.asarray(self._meets(kept[:, None] + has, sizes[:, None], size).any(axis=0)).tolist()
            pairs = zip(self._tags, meets, strict=True)
            found += [(removed, tag) for tag, met in pairs if met and tag not in own]
        return found

    def query(self, row: int, removed: str | None, added: str | None) -> Query:
        target = (self._sets[row] - {removed}) | ({added} if added else frozenset())
        goal = np.zeros(len(self._tags), dtype=np.int32)
        goal[[self._column[tag] for tag in target]] = 1
        copies = self._copies(row)
        right = self._meets(self._has @ goal, self._sizes, len(target)) & ~copies
        return Query(row, removed, added, frozenset(target), np.flatnonzero(right), np.flatnonzero(copies))

    def _meets(self, shared: NDArray[np.int32], sizes: NDArray[np.int32], size: int) -> NDArray[np.bool_]:
        union = sizes + size - shared
        meets: NDArray[np.bool_] = shared >= self._jaccard * union - _ROUNDING
        return meets

    def _copies(self, row: int) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self._digests == self._digests[row]
        return same
