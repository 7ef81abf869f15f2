"""Where frozen networks may compute in bfloat16."""

from __future__ import annotations

import torch


def half_precision(device: torch.device) -> torch.autocast:
    """A context in which ``device`` computes in bfloat16 if it has instructions for that, else as it would anyway.

    It halves the time where a processor has them. One that hasn't (AVX2 alone) imitates them, which takes twenty times
    as long as float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or _has_bfloat16())


def _has_bfloat16() -> bool:
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_tile") or found.get("avx512_bf16"))
