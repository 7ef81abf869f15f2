import numpy as np
import pytest

from models.joint.lines import LineKind
from models.training.dataset import LineTable, sample_lines, split_lines


def _table(*recipes: tuple[int, ...]) -> LineTable:
    kinds = np.array([kind for recipe in recipes for kind in recipe], dtype=np.int64)
    features = np.arange(len(kinds) * 384, dtype=np.float16).reshape(-1, 384)
    start = np.cumsum([0] + [len(recipe) for recipe in recipes], dtype=np.int64)
    return LineTable(features, kinds, start)


WHOLE = (1, *([2] * 20), *([3] * 12))


def test_component_dropout_gives_every_non_empty_subset() -> None:
    table, rng = _table((1,), WHOLE), np.random.default_rng(0)
    seen = {frozenset(table.kinds[sample_lines(table, 1, rng)].tolist()) for _ in range(300)}
    assert len(seen) == 7
    assert sample_lines(table, 0, rng).tolist() == [0]


def test_long_recipes_are_read_in_part_and_in_order() -> None:
    table, rng = _table(WHOLE), np.random.default_rng(0)
    for _ in range(50):
        rows = sample_lines(table, 0, rng)
        assert (np.diff(rows) > 0).all()
        counts = np.bincount(table.kinds[rows], minlength=4)
        assert (counts <= [0, 1, 12, 8]).all()


def test_a_split_is_disjoint_by_component() -> None:
    table, rng = _table(WHOLE, (1,)), np.random.default_rng(0)
    for _ in range(50):
        parts = split_lines(table, 0, rng)
        assert parts is not None
        left, right = (set(table.kinds[rows].tolist()) for rows in parts)
        assert left
        assert right
        assert not left & right
    assert split_lines(table, 1, rng) is None


def test_gathering_pads_with_nothing() -> None:
    table = _table((1, 2), (3,))
    lines, kinds = table.gather([np.array([0, 1]), np.array([2])])
    assert kinds.tolist() == [[LineKind.TITLE, LineKind.INGREDIENT], [LineKind.INSTRUCTION, LineKind.PADDING]]
    assert lines[1, 1].abs().sum() == 0
    np.testing.assert_array_equal(lines[1, 0].numpy(), table.features[2].astype(np.float32))
    assert table.rows(0, (LineKind.INGREDIENT,)).tolist() == [1]
    with pytest.raises(IndexError):
        table.rows(5, (LineKind.TITLE,))
