from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.data import DataError
from models.evaluation.words import category_purity, evaluate_words, rank_missing, rank_synonyms
from models.types import RecipeText
from models.words.store import StoredWords


def _words(table: dict[str, tuple[int, list[float], list[float]]]) -> StoredWords:
    return StoredWords(
        names=list(table),
        counts=[count for count, _, _ in table.values()],
        vectors=np.array([vector for _, vector, _ in table.values()], dtype=np.float32),
        contexts=np.array([context for _, _, context in table.values()], dtype=np.float32),
    )


def test_synonyms_are_ranked_by_cosine_with_ties_against_the_model() -> None:
    words = _words(
        {
            "scallion": (9, [1, 0], [0, 0]),
            "green onion": (8, [2, 0.2], [0, 0]),
            "eggplant": (7, [0, 1], [0, 0]),
            "salt": (6, [0, 5], [0, 0]),
            "aubergine": (5, [0, 2], [0, 0]),
        }
    )
    found = rank_synonyms(words)
    assert found.n == 4
    # scallion and green onion are nearest each other; of eggplant, salt is as near as aubergine: rank 2, twice.
    assert found.mrr == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)
    assert (found.r1, found.r10, found.medr) == (50.0, 100.0, 1.5)


def test_a_missing_ingredient_is_guessed_from_the_others_by_hand() -> None:
    words = _words(
        {
            "salt": (100, [1, 0], [0, 0]),
            "tomato": (10, [0, 1], [0, 2]),
            "basil": (10, [0, 1], [0, 3]),
            "cumin": (50, [1, 0], [1, -1]),
        }
    )
    recipe = RecipeText("x", ("salt", "tomato", "basil"))
    found, baseline = rank_missing(words, [recipe, RecipeText("too short", ("salt", "tomato"))])
    names = list(words.names)
    ranks, plain = [], []
    for hidden in ("salt", "tomato", "basil"):
        shown = [name for name in ("salt", "tomato", "basil") if name != hidden]
        scores = {
            name: np.mean([words.vectors[names.index(w)] @ words.contexts[names.index(name)] for w in shown])
            + 0.75 * np.log(words.counts[names.index(name)])
            for name in names
            if name not in shown
        }
        ranks.append(sum(score >= scores[hidden] for score in scores.values()))
        counts = {name: words.counts[names.index(name)] for name in names if name not in shown}
        plain.append(sum(count >= counts[hidden] for count in counts.values()))
    assert found.n == baseline.n == 3
    assert found.mrr == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert baseline.mrr == pytest.approx(np.mean([1 / rank for rank in plain]))


def test_purity_of_perfect_and_of_mixed_categories() -> None:
    berries = ("strawberry", "raspberry", "blueberry", "blackberry", "cranberry", "cherry")
    pasta = ("spaghetti", "linguine", "fettuccine", "egg noodle", "penne pasta", "rotini pasta")
    apart = {name: (1, [1.0, 0.01 * n], [0.0, 0.0]) for n, name in enumerate(berries)}
    apart |= {name: (1, [0.01 * n, 1.0], [0.0, 0.0]) for n, name in enumerate(pasta)}
    assert category_purity(_words(apart)) == (12, 100.0)
    listed, purity = category_purity(_words({name: (1, [1, 0.01 * n], [0, 0]) for n, name in enumerate(apart)}))
    assert listed == 12
    assert 0 < purity < 100
    assert category_purity(_words({"salt": (1, [1, 0], [0, 0])})) == (0, 0.0)


def test_the_whole_report(tmp_path: Path) -> None:
    words = _words({name: (n + 1, [1, n], [n, 1]) for n, name in enumerate(["salt", "scallion", "green onion"])})
    record = {"id": "a", "title": "x", "ingredients": ["salt", "1 scallion", "green onions"], "split": "val"}
    (tmp_path / "recipes.jsonl").write_text(json.dumps(record) + "\n")
    report = evaluate_words(words, tmp_path)
    assert report.missing is not None
    assert report.missing.n == 3
    assert json.loads(json.dumps(report.to_json()))["missing"]["n"] == 3
    assert evaluate_words(words).to_json()["missing"] is None
    with pytest.raises(DataError, match="no line whose split is 'train'"):
        evaluate_words(words, tmp_path, "train")
    with pytest.raises(DataError, match="none of the 0 recipes"):
        rank_missing(words, [])
