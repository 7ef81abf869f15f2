"""How long the stages of a request took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timings:
    """Seconds by stage, in the order in which the stages ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def header(self) -> str:
        """The value of a ``Server-Timing`` header (W3C), in milliseconds."""
        return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in self.seconds.items())

    def milliseconds(self) -> dict[str, float]:
        return {name: round(seconds * 1e3, 2) for name, seconds in self.seconds.items()}
