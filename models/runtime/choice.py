"""Which runtime computes an encoder: OpenVINO on a CPU, torch elsewhere and where OpenVINO fails."""

from __future__ import annotations

from collections.abc import Callable
from logging import getLogger
from pathlib import Path

import torch

from models.runtime.network import Network
from models.runtime.torch_backend import TorchBackend
from models.runtime.types import Backend, RuntimeChoice
from models.types import EncoderUnavailableError

_logger = getLogger(__name__)


def choose_backend(
    build: Callable[[], Network],
    *,
    name: str,
    fingerprint: str,
    device: torch.device,
    runtime: RuntimeChoice = "auto",
    cache: Path | None = None,
    threads: int = 0,
) -> Backend:
    """The encoder's network on the runtime that was asked for; ``auto`` is OpenVINO on a CPU, and torch on any other
    device and wherever OpenVINO can't be had, with a warning that says why.

    Args:
        build: makes the network; called at most once, and not at all where OpenVINO has it converted in ``cache``.
        name: of the encoder, for messages.
        threads: of OpenVINO; 0: its own choice. Torch's are those of the process.

    Raises:
        EncoderUnavailableError: OpenVINO was asked for by name and can't be had; or ``build`` raises it.
    """
    if runtime == "torch" or (runtime == "auto" and device.type != "cpu"):
        return TorchBackend(build(), device)
    if device.type != "cpu":
        raise EncoderUnavailableError(
            f"the runtime openvino computes on the CPU, not on {str(device)!r}; use the runtime auto or torch there"
        )
    network = _Once(build)
    try:
        from models.runtime.openvino import load_openvino

        return load_openvino(network, fingerprint=fingerprint, cache=cache, threads=threads)
    except EncoderUnavailableError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if runtime == "openvino":
            raise EncoderUnavailableError(
                f"the encoder {name} can't run on OpenVINO: {reason}; use the runtime auto or torch"
            ) from error
        _logger.warning("the encoder %s runs on torch, more slowly, since it can't run on OpenVINO: %s", name, reason)
    return TorchBackend(network(), device)


class _Once:
    """Calls a function once and remembers what it gave."""

    def __init__(self, build: Callable[[], Network]) -> None:
        self._build = build
        self._network: Network | None = None

    def __call__(self) -> Network:
        if self._network is None:
            self._network = self._build()
        return self._network
