"""Whether the models of an engine's lanes go together."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from app.engine.types import ModelInfo, Operation
from models.generation.types import GeneratorInfo, check_encoder
from models.types import EncoderInfo, ModelError


class Agreement:
    """Looks at each model as it comes up, since a lane whose worker can't be reached comes up late. Thread-safe."""

    def __init__(self, operations: Mapping[str, frozenset[Operation]]) -> None:
        """``operations``: what each lane can run, by its name."""
        self._operations = operations
        self._lock = threading.Lock()  # guards the next one
        self._held: dict[str, ModelInfo] = {}

    def admit(self, lane: str, info: ModelInfo) -> None:
        """Let ``lane`` work with the model ``info``.

        Raises:
            ModelError: a lane that shares its work holds another model, or generator and encoder don't fit.
        """
        with self._lock:
            held = {**self._held, lane: info}
            self._alike(held)
            _fit(held)
            self._held = held

    def _alike(self, held: Mapping[str, ModelInfo]) -> None:
        for operation in Operation:
            sharing = [lane for lane, offered in self._operations.items() if operation in offered]
            if len({held[lane].fingerprint for lane in sharing if lane in held}) > 1:
                raise ModelError(f"the lanes {' and '.join(sharing)} hold different models; they must hold the same")


def _fit(held: Mapping[str, ModelInfo]) -> None:
    """A generator that takes vectors must take those of the encoder beside it."""
    encoder = next((info for info in held.values() if isinstance(info, EncoderInfo)), None)
    generator = next((info for info in held.values() if isinstance(info, GeneratorInfo)), None)
    if encoder is not None and generator is not None:
        check_encoder(generator, encoder)
