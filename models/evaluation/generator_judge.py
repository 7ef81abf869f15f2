"""A small encoder that says which title a picture belongs to, trained for that alone.

R-precision (Xu et al. 2018, section 4.1) asks how often a picture is nearer to its own prompt than to 99 others. An
encoder that the generator was trained or re-ranked by would be fooled by it, so this one has a backbone of its own.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional

from models.data import DataError
from models.files import write_file
from models.joint.heads import ProjectionHead
from models.losses import info_nce
from models.metrics import TIE_TOLERANCE
from models.types import Float32Array

OnJudge: TypeAlias = Callable[[str, int, int], None]
#: Titles among which a picture's own must be found.
CHOICES = 100
_HIGHEST_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """Shape and training of a judge; the learning rate rises over the first tenth and falls to 0 as a cosine."""

    dim: int = 256
    hidden: int = 512
    dropout: float = 0.5
    epochs: int = 30
    batch_size: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0


class Judge(nn.Module):
    """Features of pictures and sentence embeddings of titles -> one space."""

    def __init__(self, picture_width: int, title_width: int, config: JudgeConfig) -> None:
        super().__init__()
        self.picture = ProjectionHead(picture_width, config.dim, hidden=config.hidden, dropout=config.dropout)
        self.title = ProjectionHead(title_width, config.dim, hidden=config.hidden, dropout=config.dropout)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, pictures: Tensor, titles: Tensor) -> Tensor:
        """InfoNCE of paired rows, a scalar."""
        left, right = (
            functional.normalize(head(rows), dim=-1) for head, rows in ((self.picture, pictures), (self.title, titles))
        )
        return info_nce(left, right, self.log_scale.exp().clamp(max=_HIGHEST_SCALE))

    @torch.inference_mode()
    def embed_pictures(self, features: Float32Array) -> Float32Array:
        """(n, picture width) -> unit-norm (n, dim)."""
        return _unit(self.picture(torch.from_numpy(features)))

    @torch.inference_mode()
    def embed_titles(self, sentences: Float32Array) -> Float32Array:
        """(n, title width) -> unit-norm (n, dim)."""
        return _unit(self.title(torch.from_numpy(sentences)))


@dataclass(frozen=True, slots=True)
class TrainedJudge:
    """A judge in evaluation mode, and the hex sha256 of its weights."""

    judge: Judge
    digest: str


def obtain_judge(
    cache: Path,
    features: Float32Array,
    sentences: Float32Array,
    config: JudgeConfig | None = None,
    on_progress: OnJudge | None = None,
) -> TrainedJudge:
    """The judge that these pairs make, from the cache where it was made before; about half a minute otherwise.

    Args:
        cache: a folder; a judge lies there under a digest of the pairs and the configuration.
        features: float32 (n, width) of training photos.
        sentences: float32 (n, width), the embeddings of their titles.
        on_progress: called with ("judge", epochs done, epochs).

    Raises:
        ValueError: there are fewer than two pairs.
    """
    chosen = config or JudgeConfig()
    basis = hashlib.sha256(json.dumps(asdict(chosen), sort_keys=True).encode())
    for rows in (features, sentences):
        basis.update(str(rows.shape).encode() + np.ascontiguousarray(rows).tobytes())
    path = cache / f"judge-{basis.hexdigest()[:16]}.safetensors"
    data = path.read_bytes() if path.is_file() else b""
    judge = _read(data, features.shape[1], sentences.shape[1], chosen)
    if judge is None:
        judge = train_judge(features, sentences, chosen, on_progress)
        data = save({name: tensor.contiguous() for name, tensor in judge.state_dict().items()})
        cache.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    return TrainedJudge(judge.eval(), hashlib.sha256(data).hexdigest())


def train_judge(
    features: Float32Array, sentences: Float32Array, config: JudgeConfig, on_progress: OnJudge | None = None
) -> Judge:
    """Train a judge on paired rows; a function of them and the configuration's seed alone.

    Raises:
        ValueError: there are fewer than two pairs.
    """
    if len(features) != len(sentences) or len(features) < 2:
        raise ValueError(f"a judge needs at least two pairs, not {len(features)} pictures, {len(sentences)} titles")
    report = on_progress or (lambda *_: None)
    pictures, titles = torch.from_numpy(features), torch.from_numpy(sentences)
    size = min(config.batch_size, len(features))
    steps = len(features) // size * config.epochs
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        judge = Judge(features.shape[1], sentences.shape[1], config).train()
        optimiser = torch.optim.AdamW(judge.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
        for epoch in range(config.epochs):
            order = torch.randperm(len(features))
            for start in range(0, len(order) - size + 1, size):
                rows = order[start : start + size]
                loss = judge(pictures[rows], titles[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
            report("judge", epoch + 1, config.epochs)
    return judge.eval()


def other_titles(titles: Sequence[str], seed: int, choices: int = CHOICES) -> NDArray[np.int64]:
    """For each title the rows of others that differ from it and from each other, (n, choices - 1), or fewer where there
    are no more.

    Raises:
        DataError: all titles are the same.
    """
    plain = np.array([" ".join(title.lower().split()) for title in titles])
    different = np.sort(np.unique(plain, return_index=True)[1])
    most = min(choices, len(different)) - 1
    if most < 1:
        raise DataError("the titles are all the same; there is nothing to tell a picture's own title from")
    rng = np.random.default_rng(seed)
    return np.stack([rng.choice(different[plain[different] != own], most, replace=False) for own in plain])


def r_precision(pictures: Float32Array, titles: Float32Array, others: NDArray[np.int64]) -> float:
    """The share of pictures that are nearer to their own title than to any of the others; a tie is none.

    Args:
        pictures, titles: unit-norm (n, dim), row i of one belonging to row i of the other.
        others: rows of ``titles``, see :func:`other_titles`.
    """
    own = (pictures * titles).sum(1)
    rivals = np.stack([titles[rows] @ picture for rows, picture in zip(others, pictures, strict=True)]).max(1)
    return float((own > rivals + TIE_TOLERANCE).mean())


def _read(data: bytes, picture_width: int, title_width: int, config: JudgeConfig) -> Judge | None:
    """The judge of a file; None where it is broken, so that it is made anew."""
    with torch.random.fork_rng(devices=[]):
        judge = Judge(picture_width, title_width, config)
    try:
        judge.load_state_dict(load(data))
    except (SafetensorError, RuntimeError):
        return None
    return judge


def _rate(step: int, steps: int) -> float:
    rise = max(1, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _unit(rows: Tensor) -> Float32Array:
    unit: Float32Array = functional.normalize(rows, dim=-1).numpy()
    return unit
