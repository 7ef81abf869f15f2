"""Skip-gram with negative sampling: its gradient, its draws, and what it finds in a corpus with planted neighbours."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data import DataError
from models.training.run_folder import RunFolderError
from models.training.words import (
    SkipGram,
    WordTrainingConfig,
    WordTrainingProgress,
    draw_pairs,
    keep_probability,
    read_training_recipes,
    train_words,
)
from models.types import RecipeText
from models.words.corpus import WordCorpus, build_corpus
from models.words.store import StoredWords, load_words

#: Two cuisines; the last two of each never stand in one recipe, and stand with the same others: planted synonyms.
CUISINES = (
    ("tomato", "basil", "olive oil", "mozzarella", "garlic", "scallion", "leek"),
    ("coconut milk", "lemongrass", "ginger", "fish sauce", "lime", "shrimp", "prawn"),
)
PLANTED = (("scallion", "leek"), ("shrimp", "prawn"))


def _recipes(count: int, seed: int = 0) -> list[RecipeText]:
    rng = np.random.default_rng(seed)
    recipes = []
    for number in range(count):
        *common, one, other = CUISINES[number % 2]
        chosen = [*rng.permutation(common)[:4].tolist(), one if rng.random() < 0.5 else other, "salt"]
        recipes.append(RecipeText(f"dish {number}", tuple(rng.permutation(chosen).tolist())))
    return recipes


@pytest.fixture(scope="module")
def corpus() -> WordCorpus:
    return build_corpus(_recipes(600), min_count=5, min_title_count=50)


@pytest.fixture
def config(tmp_path: Path) -> WordTrainingConfig:
    path = tmp_path / "recipes.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        for number, recipe in enumerate(_recipes(600)):
            record = {"id": str(number), "title": recipe.title, "ingredients": list(recipe.ingredients)}
            stream.write(json.dumps(record) + "\n")
    return WordTrainingConfig(
        out=tmp_path / "run",
        text_corpus=path,
        dim=16,
        epochs=8,
        batch_size=64,
        min_count=5,
        min_title_count=50,
        subsample=None,
    )


def _nearest(words: StoredWords, name: str) -> str:
    unit = words.vectors / np.linalg.norm(words.vectors, axis=1, keepdims=True)
    place = list(words.names).index(name)
    scores = unit @ unit[place]
    scores[place] = -2
    return words.names[int(scores.argmax())]


def test_the_step_follows_the_gradient_of_the_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    model = SkipGram(6, 4, torch.ones(6), generator)
    model.contexts = torch.randn(6, 4, generator=generator)
    centres, contexts = torch.tensor([0, 1, 0]), torch.tensor([2, 3, 2])
    noise = torch.tensor([[4, 5], [3, 4], [2, 0]])  # two of the noise words are the context itself and don't count
    inputs, outputs = model.inputs.clone().requires_grad_(), model.contexts.clone().requires_grad_()
    loss = torch.zeros(())
    for row, (centre, context) in enumerate(zip(centres, contexts, strict=True)):
        loss = loss - torch.nn.functional.logsigmoid(inputs[centre] @ outputs[context])
        for word in noise[row]:
            if word != context:
                loss = loss - torch.nn.functional.logsigmoid(-inputs[centre] @ outputs[word])
    loss.backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    assert outputs.grad is not None
    before = model.inputs.clone(), model.contexts.clone()
    reported = model.step(centres, contexts, noise, 0.1)
    assert reported == pytest.approx(loss.item() / 3, rel=1e-5)
    torch.testing.assert_close(model.inputs, before[0] - 0.1 * inputs.grad)
    torch.testing.assert_close(model.contexts, before[1] - 0.1 * outputs.grad)


def test_noise_follows_the_smoothed_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.tensor([1000, 100, 10, 0])
    drawn = SkipGram(4, 2, counts, generator).noise((20_000, 2), generator)
    expected = counts.double() ** 0.75
    observed = torch.bincount(drawn.flatten(), minlength=4).double() / drawn.numel()
    torch.testing.assert_close(observed, expected / expected.sum(), atol=0.01, rtol=0)


def test_pairs_are_of_one_recipe_and_never_a_word_with_itself(corpus: WordCorpus) -> None:
    centres, contexts = draw_pairs(corpus, 3, None, np.random.default_rng(0))
    assert len(centres) == 3 * len(corpus.tokens)
    together = {
        (one, other)
        for start, end in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)
        for one in corpus.tokens[start:end].tolist()
        for other in corpus.tokens[start:end].tolist()
        if one != other
    }
    assert set(zip(centres.tolist(), contexts.tolist(), strict=True)) <= together
    assert len({*zip(centres.tolist(), contexts.tolist(), strict=True)}) > len(together) // 2


def test_frequent_words_are_thinned_out_as_in_the_paper(corpus: WordCorpus) -> None:
    kept = keep_probability(corpus, 0.01)
    frequency = np.bincount(corpus.tokens) / len(corpus.tokens)
    np.testing.assert_allclose(kept, np.minimum(1, np.sqrt(0.01 / frequency) + 0.01 / frequency))
    assert (keep_probability(corpus, None) == 1).all()
    salt = corpus.names.index("salt")
    centres, _ = draw_pairs(corpus, 2, 0.01, np.random.default_rng(0))
    expected = 2 * kept[salt] * frequency[salt] * len(corpus.tokens)
    assert np.count_nonzero(centres == salt) == pytest.approx(expected, rel=0.15)


def test_planted_neighbours_are_found(config: WordTrainingConfig) -> None:
    result = train_words(config)
    words = load_words(config.out)
    assert (result.recipes, result.names) == (600, len(words.names)) == (600, 15)
    for one, other in PLANTED:
        assert (_nearest(words, one), _nearest(words, other)) == (other, one)


def test_gensim_finds_the_same_neighbours(corpus: WordCorpus) -> None:
    """The well-kept implementation, on the same recipes: what is planted is there to be found."""
    word2vec = pytest.importorskip("gensim.models", reason="gensim is a development dependency").Word2Vec
    recipes = list(corpus.recipes())
    model = word2vec(
        recipes, vector_size=16, window=20, sg=1, negative=5, sample=0, min_count=1, epochs=40, workers=1, seed=0
    )
    for one, other in PLANTED:
        assert model.wv.most_similar(one, topn=1)[0][0] == other
        assert model.wv.most_similar(other, topn=1)[0][0] == one


def test_one_seed_gives_one_result_and_another_another(config: WordTrainingConfig, tmp_path: Path) -> None:
    short = replace(config, epochs=2)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_words(replace(short, out=tmp_path / name, seed=seed))
    first, second, other = ((tmp_path / name / "vectors.safetensors").read_bytes() for name in "abc")
    assert first == second
    assert first != other


def test_an_interrupted_run_ends_as_an_unbroken_one(config: WordTrainingConfig, tmp_path: Path) -> None:
    unbroken = replace(config, epochs=3, out=tmp_path / "unbroken")
    train_words(unbroken)

    class StoppedError(Exception):
        pass

    def stop(progress: WordTrainingProgress) -> None:
        if progress.epoch == 2:
            raise StoppedError

    broken = replace(unbroken, out=tmp_path / "broken")
    with pytest.raises(StoppedError):
        train_words(broken, stop)
    with pytest.raises(RunFolderError, match="holds a run already"):
        train_words(broken)
    with pytest.raises(RunFolderError, match="other settings"):
        train_words(replace(broken, resume=True, dim=8))
    seen: list[WordTrainingProgress] = []
    train_words(replace(broken, resume=True), seen.append)
    assert {each.epoch for each in seen if each.stage == "epochs"} == {2, 3}
    for name in ("vectors.safetensors", "vocabulary.json"):
        assert (broken.out / name).read_bytes() == (unbroken.out / name).read_bytes()
    epochs = [json.loads(line)["epoch"] for line in (broken.out / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3]


def test_the_manifest_says_what_it_is_and_no_path(config: WordTrainingConfig) -> None:
    train_words(replace(config, epochs=1, description="made up", licence="mine", command="tastespace train words"))
    manifest = load_words(config.out).manifest
    assert (manifest["training"]["data"], manifest["licence"]) == ("made up", "mine")
    assert manifest["training"]["settings"]["text_corpus"] == "recipes.jsonl.gz"
    assert str(config.out.parent) not in json.dumps(dict(manifest))


def test_held_out_recipes_are_never_read(tmp_path: Path) -> None:
    lines = [
        {"id": "a", "title": "Train", "ingredients": ["salt"], "split": "train"},
        {"id": "b", "title": "Val", "ingredients": ["pepper"], "split": "val"},
        {"id": "c", "title": "Test", "ingredients": ["cumin"], "split": "test"},
    ]
    (tmp_path / "recipes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [recipe.title for recipe in read_training_recipes(tmp_path, None)] == ["Train"]
    with pytest.raises(DataError):
        read_training_recipes(tmp_path / "nowhere", None)
