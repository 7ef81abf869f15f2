"""From files to a ready `LiteEncoder`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import load_checkpoint
from models.joint.lite import LiteConfig, LiteEncoder, LiteModel, lite_fingerprint
from models.joint.lite_parts import lite_network
from models.runtime.choice import choose_backend
from models.runtime.types import RuntimeChoice
from models.types import EncoderUnavailableError


def load_lite(
    folder: Path,
    *,
    name: str,
    device: str = "cpu",
    runtime: RuntimeChoice = "auto",
    cache: Path | None = None,
    threads: int = 0,
) -> LiteEncoder:
    """The encoder whose trained weights lie in ``folder``; see :func:`models.registry.load_encoder`.

    Raises:
        EncoderUnavailableError: weights, backbones, device or runtime are missing, changed or don't fit each other.
    """
    where = parse_device(device)
    manifest, tensors = load_checkpoint(folder)
    fingerprint = lite_fingerprint(manifest.config, {**manifest.files, **manifest.backbones})
    backend = choose_backend(
        lambda: lite_network(_fill(manifest.config, tensors, folder)),
        name=name,
        fingerprint=fingerprint,
        device=where,
        runtime=runtime,
        cache=cache,
        threads=threads,
    )
    return LiteEncoder(
        backend, manifest.config, name=name, fingerprint=fingerprint, licence=manifest.licence, device=where
    )


def _fill(config: LiteConfig, tensors: Mapping[str, Tensor], folder: Path) -> LiteModel:
    try:
        model = LiteModel(config)
        outcome = model.load_state_dict(tensors, strict=False)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise EncoderUnavailableError(f"the weights in {folder} don't fit their own configuration: {error}") from error
    # Towers that training left alone come from the backbones; everything else must be in the file.
    missing = [key for key in outcome.missing_keys if not key.startswith("clip.")]
    if missing or outcome.unexpected_keys:
        raise EncoderUnavailableError(
            f"the weights in {folder} lack {missing} and have unknown {outcome.unexpected_keys}"
        )
    return model


def parse_device(device: str) -> torch.device:
    """A torch device that exists here.

    Raises:
        EncoderUnavailableError: the name is unknown or the machine has no such device.
    """
    try:
        parsed = torch.device(device)
        torch.empty(0, device=parsed)
    except (RuntimeError, AssertionError) as error:
        raise EncoderUnavailableError(
            f"the device {device!r} can't be used here: {str(error).splitlines()[0]}"
        ) from error
    return parsed
