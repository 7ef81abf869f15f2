"""What an encoder sees of the runtime that computes its networks. No torch in here."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from models.types import Float32Array

Runtime: TypeAlias = Literal["torch", "openvino"]
RuntimeChoice: TypeAlias = Literal["auto", "torch", "openvino"]


class Backend(Protocol):
    """Computes the parts of one encoder, each a pure function of arrays, by name.

    An encoder does everything around them: it checks its input, cuts it into batches and pads them. Not thread-safe.
    """

    @property
    def runtime(self) -> Runtime: ...

    @property
    def parameters(self) -> int:
        """How many weights the network has."""
        ...

    def run(self, part: str, *inputs: NDArray[Any]) -> Float32Array:
        """One batch through a part: float32 (n, width), an array of its own.

        Raises:
            KeyError: there is no such part.
            RuntimeError: the runtime failed, out of memory for instance.
        """
        ...
