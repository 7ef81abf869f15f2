"""From files to a ready `LiteEncoder`."""

from __future__ import annotations

from pathlib import Path

import torch

from models.checkpoint import load_checkpoint
from models.joint.lite import LiteEncoder, LiteModel
from models.types import EncoderUnavailableError


def load_lite(folder: Path, *, name: str, device: str = "cpu") -> LiteEncoder:
    """The encoder whose trained weights lie in ``folder``.

    Raises:
        EncoderUnavailableError: weights, backbones or device are missing, changed or don't fit each other.
    """
    where = parse_device(device)
    manifest, tensors = load_checkpoint(folder)
    try:
        model = LiteModel(manifest.config)
        outcome = model.load_state_dict(tensors, strict=False)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise EncoderUnavailableError(f"the weights in {folder} don't fit their own configuration: {error}") from error
    # Towers that training left alone come from the backbones; everything else must be in the file.
    missing = [key for key in outcome.missing_keys if not key.startswith("clip.")]
    if missing or outcome.unexpected_keys:
        raise EncoderUnavailableError(
            f"the weights in {folder} lack {missing} and have unknown {outcome.unexpected_keys}"
        )
    digests = {**manifest.files, **manifest.backbones}
    return LiteEncoder(model, name=name, weights=digests, licence=manifest.licence, device=where)


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
