"""What folders of trained weights have in common: files with their sha256, a manifest, and backbones they stand on.

Whatever differs at load is refused: weights over another backbone would answer with what looks fine and means nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from models.files import write_file
from models.types import EncoderUnavailableError, ModelError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True, slots=True)
class WeightFolder:
    """A folder of weights and its manifest.

    Attributes:
        path: of the folder.
        noun: what it holds, in messages: ``reasoner``.
        remedy: how to get another one.
        error: raised with one sentence where the folder can't be used.
        format: of the manifest.
    """

    path: Path
    noun: str
    remedy: str
    error: type[ModelError]
    format: int = 1

    def write(self, record: Mapping[str, Any], files: Mapping[str, bytes], backbones: Mapping[str, str]) -> None:
        """Write files and manifest, in which ``files``, ``backbones`` and ``format`` are filled in. What was there is
        replaced."""
        self.path.mkdir(parents=True, exist_ok=True)
        complete = dict(record) | {
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            "backbones": dict(backbones),
            "format": self.format,
        }
        text = json.dumps(complete, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, content in {**files, MANIFEST_FILE: text.encode()}.items():
            write_file(self.path / name, content)

    def read_record(self) -> dict[str, Any]:
        """The manifest: an object of this format, whose ``files`` and ``backbones`` are objects."""
        path = self.path / MANIFEST_FILE
        if not path.is_file():
            raise self.error(f"{self.path} holds no {self.noun}: {MANIFEST_FILE} is missing; {self.remedy}")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict):
                raise TypeError("expected an object")
            if not all(isinstance(record.get(name), dict) for name in ("files", "backbones")):
                raise TypeError("files and backbones must be objects")
        except (OSError, ValueError, TypeError) as error:
            raise self.error(f"{path} is not a manifest of a {self.noun}: {error}; {self.remedy}") from error
        if record.get("format") != self.format:
            raise self.error(
                f"{path} has format {record.get('format')!r}, this version reads {self.format}; {self.remedy}"
            )
        return record

    def read_file(self, name: str, record: Mapping[str, Any]) -> bytes:
        """A file that the manifest names, unchanged."""
        path = self.path / name
        try:
            data = path.read_bytes()
        except OSError:
            raise self.error(f"{path} is missing, though {MANIFEST_FILE} names it; {self.remedy}") from None
        found, expected = hashlib.sha256(data).hexdigest(), record["files"].get(name)
        if found != expected:
            raise self.error(f"{path} has sha256 {found}, its manifest says {expected}: the file changed")
        return data

    def read_tensors(self, record: Mapping[str, Any], name: str = WEIGHTS_FILE) -> dict[str, Tensor]:
        """The tensors of a safetensors file that the manifest names, as float32."""
        data = self.read_file(name, record)
        try:
            return {name: tensor.float() for name, tensor in load(data).items()}
        except SafetensorError as error:
            raise self.error(f"the {self.noun} in {self.path} can't be read: {error}; {self.remedy}") from error

    def check_backbones(self, record: Mapping[str, Any], pinned: Mapping[str, str]) -> None:
        """Refuse weights that were trained over other backbones than those of this version, by sha256."""
        if record["backbones"] != dict(pinned):
            raise self.error(
                f"the {self.noun} in {self.path} needs the backbones {record['backbones']}, this version has "
                f"{dict(pinned)}; {self.remedy}"
            )

    @contextmanager
    def building(self) -> Iterator[None]:
        """What is raised while a model is made of these weights becomes :attr:`error`: a backbone or a device that is
        not there speaks for itself, and a shape that doesn't fit is the folder's."""
        try:
            yield
        except EncoderUnavailableError as error:
            raise self.error(str(error)) from error
        except (RuntimeError, ValueError) as error:
            raise self.error(
                f"the weights in {self.path} don't fit their own configuration: {error}; {self.remedy}"
            ) from error


def manifest_fingerprint(manifest: DataclassInstance) -> str:
    """Hex sha256 over all of a manifest that decides what its model answers: not its training, nor its licence."""
    return record_fingerprint(asdict(manifest))


def record_fingerprint(manifest: Mapping[str, Any]) -> str:
    """:func:`manifest_fingerprint` of the fields of a manifest."""
    record = {name: value for name, value in manifest.items() if name not in ("training", "metrics", "licence")}
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()


def pack(parts: Mapping[str, Mapping[str, Tensor]]) -> bytes:
    """Safetensors in float16, int8 where tensors are; the names of each part's tensors begin with the part's."""
    halves = {
        f"{prefix}{name}": tensor.detach().to("cpu", _packed(tensor.dtype)).contiguous().clone()
        for prefix, tensors in parts.items()
        for name, tensor in tensors.items()
    }
    return save(halves)


def _packed(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype == torch.int8 else torch.float16


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of one part, by their names within it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
