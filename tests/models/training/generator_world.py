"""What trainings of generators are tested with: a tiny autoencoder, and what a run folder holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from models.generation.autoencoder import AutoencoderConfig, PictureAutoencoder
from models.generation.generator_weights import GENERATOR_FILE, TRAINING_FILE
from models.generation.weights import AutoencoderManifest, save_autoencoder

SHAPE = AutoencoderConfig(size=32, channels=4, encoder=8, decoder=(8, 8, 4), blocks=(1, 0, 0))


def write_autoencoder(folder: Path, seed: int = 0) -> None:
    """An untrained one."""
    torch.manual_seed(seed)
    network = PictureAutoencoder(SHAPE)
    save_autoencoder(folder, network.state_dict(), AutoencoderManifest(model="a", config=SHAPE, licence="none"))


def metric_lines(folder: Path) -> list[dict[str, float]]:
    """The metrics of a run, epoch by epoch."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same_weights(left: Path, right: Path) -> bool:
    """Whether two runs left the same weights, bit by bit."""
    for name in (GENERATOR_FILE, TRAINING_FILE):
        a, b = (load_file(str(folder / name)) for folder in (left, right))
        if not all(np.array_equal(a[key], b[key]) for key in a.keys() | b.keys()):
            return False
    return True
