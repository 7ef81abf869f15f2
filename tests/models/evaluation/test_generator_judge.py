from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import DataError
from models.evaluation.generator_judge import JudgeConfig, obtain_judge, other_titles, r_precision
from models.types import Float32Array

SMALL = JudgeConfig(dim=16, hidden=16, dropout=0.1, epochs=40, batch_size=32, learning_rate=1e-2)


def pairs(count: int, seed: int = 0) -> tuple[Float32Array, Float32Array]:
    """Features that are a fixed linear map of their sentences, and noise."""
    mix = np.random.default_rng(99).standard_normal((8, 20))
    rng = np.random.default_rng(seed)
    sentences = rng.standard_normal((count, 8))
    features = sentences @ mix + 0.1 * rng.standard_normal((count, 20))
    sentences /= np.linalg.norm(sentences, axis=1, keepdims=True)
    return features.astype(np.float32), sentences.astype(np.float32)


def unit(rows: Float32Array) -> Float32Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_a_judge_finds_the_titles_of_pictures_it_never_saw(tmp_path: Path) -> None:
    judge = obtain_judge(tmp_path, *pairs(256), SMALL).judge
    features, sentences = pairs(60, seed=1)
    others = other_titles([str(i) for i in range(60)], seed=0, choices=50)
    told = judge.embed_titles(sentences)
    right = r_precision(judge.embed_pictures(features), told, others)
    wrong = r_precision(judge.embed_pictures(features[::-1].copy()), told, others)
    assert right > 0.6
    assert wrong < 0.2


def test_a_judge_is_made_once(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    one = obtain_judge(tmp_path / "cache", *pairs(40), SMALL, lambda *step: seen.append(step))
    assert seen[-1] == ("judge", SMALL.epochs, SMALL.epochs)
    again = obtain_judge(tmp_path / "cache", *pairs(40), SMALL, lambda *_: pytest.fail("trained twice"))
    assert again.digest == one.digest
    assert np.array_equal(again.judge.embed_pictures(pairs(40)[0]), one.judge.embed_pictures(pairs(40)[0]))
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert obtain_judge(tmp_path / "cache", *pairs(40), SMALL).digest == one.digest
    obtain_judge(tmp_path / "cache", *pairs(40, seed=1), SMALL)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_training_leaves_the_randomness_of_others_alone(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    obtain_judge(tmp_path, *pairs(40), SMALL)
    assert torch.equal(torch.rand(1), before)


def test_one_pair_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two pairs"):
        obtain_judge(tmp_path, *pairs(1), SMALL)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(3, 12), choices=st.integers(2, 14))
def test_r_precision_is_counted_one_by_one(seed: int, n: int, choices: int) -> None:
    rng = np.random.default_rng(seed)
    titles = unit(rng.standard_normal((n, 4), dtype=np.float32))
    pictures = unit(titles + 0.7 * rng.standard_normal((n, 4), dtype=np.float32))
    others = other_titles([str(i) for i in range(n)], seed, choices)
    assert others.shape == (n, min(choices, n) - 1)
    hits = [all(p @ titles[i] > p @ titles[j] for j in others[i]) for i, p in enumerate(pictures)]
    assert r_precision(pictures, titles, others) == pytest.approx(np.mean(hits))


def test_ties_are_no_hits() -> None:
    same = unit(np.ones((5, 3), dtype=np.float32))
    assert r_precision(same, same, other_titles(list("abcde"), 0)) == 0


def test_equal_titles_are_not_told_apart() -> None:
    others = other_titles(["Tomato Soup", "tomato  soup", "Cake", "Pie"], seed=0)
    assert others.shape == (4, 2)
    assert set(others[0]) == set(others[1]) == {2, 3}


def test_no_title_is_among_the_choices_twice() -> None:
    titles = ["Soup", "Cake", "Pie", "cake", "Cake ", "Stew"]
    for choices, most in ((100, 3), (3, 2)):
        others = other_titles(titles, seed=0, choices=choices)
        assert others.shape == (6, most)
        for row in others:
            assert len({titles[each].strip().lower() for each in row}) == most


def test_where_no_two_titles_are_equal_the_choice_is_as_it_was() -> None:
    rng = np.random.default_rng(3)
    expected = [rng.choice(np.delete(np.arange(40), own), 9, replace=False) for own in range(40)]
    assert np.array_equal(other_titles([f"title {i}" for i in range(40)], seed=3, choices=10), expected)
    with pytest.raises(DataError, match="all the same"):
        other_titles(["Cake", "cake"], seed=0)
