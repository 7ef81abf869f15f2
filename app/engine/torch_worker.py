"""What the workers that run torch in their own process have in common. Torch is imported when it is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.engine.workers import ItemError
from models.types import UInt8Array


def bound_threads(threads: int) -> None:
    """Let torch compute with so many threads in this process (0: its own choice)."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def free_memory(device: str) -> None:
    """Give a GPU's unused memory back, for other users of the GPU and for a smaller batch."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


def stack_pixels(payloads: Sequence[object], size: int) -> UInt8Array:
    """uint8 (n, size, size, 3). Raises ItemError where one is anything else than uint8 (size, size, 3)."""
    arrays: list[UInt8Array] = []
    for each in payloads:
        if not isinstance(each, np.ndarray) or each.dtype != np.uint8 or each.shape != (size, size, 3):
            raise ItemError(f"pixels must be a uint8 array of shape ({size}, {size}, 3)")
        arrays.append(each)
    return np.stack(arrays)
