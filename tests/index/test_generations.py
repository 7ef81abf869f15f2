from __future__ import annotations

import numpy as np
import pytest

from index.catalogue import Catalogue
from index.types import (
    Delete,
    FeedPosition,
    FingerprintError,
    Generation,
    IncompleteGenerationError,
    IndexRoomError,
    Kind,
)
from tests.index.samples import DIM, put_image, put_recipe, unit_rows


def test_the_first_encoder_makes_the_active_generation(catalogue: Catalogue) -> None:
    assert catalogue.active_generation() is None
    assert catalogue.position() == FeedPosition(0, 0)
    made = catalogue.ensure_generation("abc", "lite", DIM)
    assert made == Generation(made.number, "abc", "lite", DIM, active=True)
    assert catalogue.ensure_generation("abc", "lite", DIM) == made
    assert catalogue.generations() == [made]
    assert catalogue.active_generation() == made


def test_another_encoder_is_refused_with_both_names_and_the_remedy(
    catalogue: Catalogue, generation: Generation
) -> None:
    with pytest.raises(FingerprintError) as caught:
        catalogue.ensure_generation("other", "encoder-2", DIM)
    for part in ("encoder-1", "fingerprint-1", "encoder-2", "other", "tastespace reindex"):
        assert part in str(caught.value)
    with pytest.raises(FingerprintError):
        catalogue.ensure_generation("fingerprint-1", "encoder-1", DIM + 1)


def test_a_new_generation_is_filled_and_swapped_in(catalogue: Catalogue, generation: Generation) -> None:
    results = catalogue.write([put_recipe(f"r{n}") for n in range(3)] + [put_image("i")], generation=generation.number)
    pks = [result.pk for result in results]
    begun = catalogue.begin_generation("new", "encoder-2", 4)
    assert (begun.active, catalogue.begin_generation("new", "encoder-2", 4)) == (False, begun)
    assert catalogue.missing_vectors(begun.number, 10) == pks
    assert catalogue.missing_vectors(begun.number, 10, kind=Kind.RECIPE, after=pks[0]) == pks[1:3]
    rows = unit_rows(4, dim=4)
    head = catalogue.head()
    assert catalogue.put_vectors(begun.number, pks[:3], rows[:3]) == 3
    assert catalogue.head() == head
    with pytest.raises(IncompleteGenerationError, match="lacks the vectors of 1 items"):
        catalogue.activate_generation(begun.number)
    assert catalogue.position().generation == generation.number
    catalogue.put_vectors(begun.number, pks[3:], rows[3:])
    assert catalogue.activate_generation(begun.number).active
    assert catalogue.position().generation == begun.number
    assert [known.number for known in catalogue.generations()] == [begun.number]
    with pytest.raises(IndexRoomError, match=f"no generation {generation.number}"):
        list(catalogue.vectors(Kind.RECIPE, generation.number))
    with pytest.raises(FingerprintError):
        catalogue.write([put_recipe("late")], generation=generation.number)


def test_content_changed_meanwhile_is_encoded_again(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe("a"), put_recipe("b")], generation=generation.number)
    a, b = catalogue.get(Kind.RECIPE, "a"), catalogue.get(Kind.RECIPE, "b")
    begun = catalogue.begin_generation("new", "encoder-2", DIM)
    catalogue.put_vectors(begun.number, [b.pk], unit_rows(1), digests=[b.digest])
    # a changes while it is being encoded, b after it was stored
    catalogue.write([put_recipe("a", title="A"), put_recipe("b", title="B")], generation=generation.number)
    assert catalogue.put_vectors(begun.number, [a.pk, 999], unit_rows(2), digests=[a.digest, a.digest]) == 0
    assert catalogue.missing_vectors(begun.number, 10) == [a.pk, b.pk]


def test_a_missing_vector_is_filled_in_and_announced(catalogue: Catalogue, generation: Generation) -> None:
    (result,) = catalogue.write([put_recipe("r")], generation=generation.number)
    begun = catalogue.begin_generation("new", "encoder-2", DIM)
    catalogue.put_vectors(begun.number, [result.pk], unit_rows(1))
    catalogue.activate_generation(begun.number)
    head = catalogue.head()
    catalogue.put_vectors(begun.number, [result.pk], unit_rows(1, seed=2))
    assert [change.pk for change in catalogue.changes(head)] == [result.pk]
    ((_, rows),) = catalogue.vectors([result.pk], begun.number)
    assert np.allclose(rows, unit_rows(1, seed=2), atol=1e-3)


def test_bad_vectors_are_refused(catalogue: Catalogue, generation: Generation) -> None:
    with pytest.raises(ValueError, match="as many"):
        catalogue.put_vectors(generation.number, [1, 2], unit_rows(1))
    with pytest.raises(ValueError, match="shape"):
        catalogue.put_vectors(generation.number, [1], unit_rows(1, dim=DIM + 1))
    with pytest.raises(IndexRoomError, match="no generation 9"):
        catalogue.put_vectors(9, [1], unit_rows(1))
    with pytest.raises(FingerprintError, match="wide"):
        catalogue.begin_generation("fingerprint-1", "encoder-1", DIM + 1)


def test_a_begun_generation_can_be_dropped_but_not_the_active_one(catalogue: Catalogue, generation: Generation) -> None:
    begun = catalogue.begin_generation("new", "encoder-2", DIM)
    with pytest.raises(IndexRoomError, match="can't be dropped"):
        catalogue.drop_generation(generation.number)
    catalogue.drop_generation(begun.number)
    assert catalogue.generations() == [generation]
    assert catalogue.begin_generation("new", "encoder-2", DIM).number > begun.number


def test_deletes_take_the_vectors_of_all_generations(catalogue: Catalogue, generation: Generation) -> None:
    (result,) = catalogue.write([put_recipe("r")], generation=generation.number)
    begun = catalogue.begin_generation("new", "encoder-2", DIM)
    catalogue.put_vectors(begun.number, [result.pk], unit_rows(1))
    catalogue.write([Delete(kind=Kind.RECIPE, id="r")], generation=generation.number)
    for number in (generation.number, begun.number):
        assert list(catalogue.vectors([result.pk], number)) == []
