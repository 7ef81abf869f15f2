from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.words.errors import WordsUnavailableError
from models.words.names import normalize_ingredient
from models.words.store import (
    MANIFEST_FILE,
    SHIPPED_FOLDER,
    VECTORS_FILE,
    VOCABULARY_FILE,
    StoredWords,
    load_words,
    save_words,
)
from models.words.vectors import WordVectors


def test_what_is_saved_is_loaded(tmp_path: Path, stored: StoredWords) -> None:
    save_words(tmp_path, stored)
    loaded = load_words(tmp_path)
    assert list(loaded.names) == list(stored.names)
    assert list(loaded.counts) == list(stored.counts)
    assert loaded.vectors.dtype == np.float32
    np.testing.assert_allclose(loaded.vectors, stored.vectors, atol=1e-3)
    np.testing.assert_allclose(loaded.contexts, stored.contexts, atol=1e-3)
    assert loaded.manifest["model"] == "tiny"
    assert {path.name for path in tmp_path.iterdir()} == {MANIFEST_FILE, VECTORS_FILE, VOCABULARY_FILE}
    assert WordVectors.load(tmp_path).similar("butter", 1)[0].name == "margarine"


@pytest.mark.fault
@pytest.mark.parametrize("name", [VECTORS_FILE, VOCABULARY_FILE])
def test_a_changed_or_missing_file_is_refused(tmp_path: Path, stored: StoredWords, name: str) -> None:
    save_words(tmp_path, stored)
    content = bytearray((tmp_path / name).read_bytes())
    content[-1] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WordsUnavailableError, match=f"{name} has sha256 .* the file changed"):
        load_words(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(WordsUnavailableError, match=f"{name} is missing"):
        load_words(tmp_path)


@pytest.mark.fault
@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"format": 99, "files": {}}', '{"format": 1, "files": 3}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, stored: StoredWords, manifest: str) -> None:
    save_words(tmp_path, stored)
    (tmp_path / MANIFEST_FILE).write_text(manifest)
    with pytest.raises(WordsUnavailableError, match="not a manifest of word vectors"):
        load_words(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WordsUnavailableError, match="holds no word vectors"):
        WordVectors.load(tmp_path)


@pytest.mark.fault
def test_a_vocabulary_of_another_shape_is_refused(tmp_path: Path, stored: StoredWords) -> None:
    save_words(tmp_path, stored)
    (tmp_path / VOCABULARY_FILE).write_text('{"butter": 1}')
    manifest = json.loads((tmp_path / MANIFEST_FILE).read_text())
    manifest["files"][VOCABULARY_FILE] = hashlib.sha256((tmp_path / VOCABULARY_FILE).read_bytes()).hexdigest()
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(WordsUnavailableError, match="does not hold word vectors"):
        load_words(tmp_path)


@pytest.mark.fault
def test_names_without_a_vector_are_refused(tmp_path: Path, stored: StoredWords) -> None:
    save_words(tmp_path, replace(stored, vectors=stored.vectors[:-1]))
    with pytest.raises(WordsUnavailableError, match="13 names, 12 vectors and 13 contexts"):
        load_words(tmp_path)


@pytest.fixture(scope="module")
def shipped() -> WordVectors:
    return WordVectors.load(SHIPPED_FOLDER)


def test_the_shipped_vectors_are_small_and_their_names_clean(shipped: WordVectors) -> None:
    assert sum(path.stat().st_size for path in SHIPPED_FOLDER.iterdir()) < 3_000_000
    assert len(shipped) > 2_000
    assert all(name == normalize_ingredient(name) for name in shipped.names)
    assert min(shipped.count(name) for name in shipped.names) >= 10


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("scallion", "green onion"),
        ("coriander", "cilantro"),
        ("aubergine", "eggplant"),
        ("powdered sugar", "confectioner sugar"),
        ("jalapeno pepper", "jalapeno chile"),
    ],
)
def test_expansions_of_the_shipped_vectors(shipped: WordVectors, asked: str, found: str) -> None:
    assert found in shipped.expand(asked)


@pytest.mark.parametrize(
    ("asked", "other"), [("butter", "margarine"), ("cilantro", "parsley"), ("walnut", "pecan"), ("lemon", "lime")]
)
def test_substitutes_are_no_expansions(shipped: WordVectors, asked: str, other: str) -> None:
    assert other not in shipped.expand(asked)


def test_an_analogy_of_the_shipped_vectors(shipped: WordVectors) -> None:
    assert shipped.analogy(["white wine", "beef"], ["chicken"], 1, "mul")[0].name == "red wine"
    assert shipped.analogy(["white wine", "beef"], ["chicken"], 1, "add")[0].name == "red wine"
