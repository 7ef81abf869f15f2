"""Word vectors on disk: float16 safetensors, the vocabulary as JSON, and a manifest with their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from models.files import write_file
from models.types import Float32Array
from models.words.errors import WordsUnavailableError

#: The vectors that come with the package.
SHIPPED_FOLDER = Path(__file__).resolve().parent.parent / "weights" / "tastespace-words"

FORMAT = 1
VECTORS_FILE = "vectors.safetensors"
VOCABULARY_FILE = "vocabulary.json"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWords:
    """Names (the most frequent first), in how many recipes each stands, and its vectors, (n, dim).

    ``manifest`` says what they were trained on and with what command.
    """

    names: Sequence[str]
    counts: Sequence[int]
    vectors: Float32Array
    contexts: Float32Array
    manifest: Mapping[str, Any] = field(default_factory=dict)


def save_words(folder: Path, words: StoredWords) -> None:
    """Write the three files, the manifest last; each replaces the one before it as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"vectors": words.vectors.astype(np.float16), "contexts": words.contexts.astype(np.float16)}
    contents = {
        VECTORS_FILE: save_tensors(tensors),
        VOCABULARY_FILE: _vocabulary(words).encode(),
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    manifest = {**words.manifest, "format": FORMAT, "files": digests}
    contents[MANIFEST_FILE] = (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
    for name, content in contents.items():
        write_file(folder / name, content)


def load_words(folder: Path) -> StoredWords:
    """What :func:`save_words` wrote, checked against its manifest; vectors as float32.

    Raises:
        WordsUnavailableError: a file is missing, changed or of another format.
    """
    manifest = _read_manifest(folder / MANIFEST_FILE)
    contents = {name: _read_checked(folder / name, manifest["files"]) for name in (VECTORS_FILE, VOCABULARY_FILE)}
    try:
        tensors = load_tensors(contents[VECTORS_FILE])
        names, counts = zip(*json.loads(contents[VOCABULARY_FILE]), strict=True)
        vectors, contexts = (tensors[name].astype(np.float32) for name in ("vectors", "contexts"))
        if not len(names) == len(vectors) == len(contexts):
            raise ValueError(f"{len(names)} names, {len(vectors)} vectors and {len(contexts)} contexts")
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise WordsUnavailableError(
            f"{folder} does not hold word vectors as this version writes them: {error}"
        ) from error
    return StoredWords(names=names, counts=counts, vectors=vectors, contexts=contexts, manifest=manifest)


def _vocabulary(words: StoredWords) -> str:
    """One entry a line, so that a change of it can be read."""
    pairs = zip(words.names, words.counts, strict=True)
    lines = ",\n".join(json.dumps([name, int(count)], ensure_ascii=False) for name, count in pairs)
    return f"[\n{lines}\n]\n"


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WordsUnavailableError(f"{path.parent} holds no word vectors: {MANIFEST_FILE} is missing")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT or not isinstance(manifest["files"], dict):
            raise ValueError(f"format {manifest['format']!r} is not {FORMAT}")
    except (ValueError, TypeError, KeyError) as error:
        raise WordsUnavailableError(f"{path} is not a manifest of word vectors: {error}") from error
    result: dict[str, Any] = manifest
    return result


def _read_checked(path: Path, digests: Mapping[str, str]) -> bytes:
    if not path.is_file():
        raise WordsUnavailableError(f"{path} is missing, though {MANIFEST_FILE} names it")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != digests.get(path.name):
        raise WordsUnavailableError(
            f"{path} has sha256 {found}, its manifest says {digests.get(path.name)}: the file changed"
        )
    return content
