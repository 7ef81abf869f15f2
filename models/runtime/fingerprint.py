"""The key under which a converted network is kept: all that it depends on, and where it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FORMAT = 1  # of an entry in the cache
_PACKAGES = ("openvino", "torch", "timm", "transformers", "open_clip_torch")
_SOURCES = ("joint", "runtime")


def cache_key(fingerprint: str, *, processor: str, capabilities: Sequence[str]) -> str:
    """Hex sha256 over the encoder's fingerprint, the versions of what converts and defines it, the processor and its
    capabilities, and the code of the networks."""
    basis = {
        "format": FORMAT,
        "encoder": fingerprint,
        "packages": {name: _version(name) for name in _PACKAGES},
        "processor": processor,
        "capabilities": sorted(capabilities),
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _code() -> str:
    """Hex sha256 of the sources that say what a network computes: a changed layer must not meet its old conversion."""
    digest = hashlib.sha256()
    models = Path(__file__).parents[1]
    for path in sorted(path for room in _SOURCES for path in (models / room).glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
