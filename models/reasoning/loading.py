"""From a setting to a loaded reasoner. Importing this module imports no torch; loading does."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from models.reasoning.types import Reasoner, ReasonerUnavailableError

DEFAULT_REASONER = "tastespace-answers"
#: The reasoner that ships with the code.
SHIPPED_ANSWERS = Path(__file__).parent.parent / "weights" / DEFAULT_REASONER


def load_reasoner(spec: str = DEFAULT_REASONER, device: str = "cpu") -> Reasoner:
    """Load a reasoner.

    Args:
        spec: ``tastespace-answers`` (ships with the code), ``attend:FOLDER`` (trained by ``tastespace train
            reasoner``) or ``huggingface:NAME`` (ViLT or BLIP: a name at the hub, or a folder).
        device: a torch device, such as ``cpu`` or ``cuda:0``.

    Raises:
        ReasonerUnavailableError: with one sentence that says what is missing.
    """
    kind, _, rest = spec.partition(":")
    if spec == DEFAULT_REASONER or (kind == "attend" and rest):
        import_module("models.libraries")  # before all else, see there
        from models.reasoning.attend import load_attention_reasoner

        return load_attention_reasoner(SHIPPED_ANSWERS if spec == DEFAULT_REASONER else Path(rest), device)
    if kind == "huggingface" and rest:
        import_module("models.libraries")  # before all else, see there
        from models.reasoning.huggingface import load_huggingface_reasoner

        return load_huggingface_reasoner(rest, device)
    raise ReasonerUnavailableError(
        f"no reasoner is called {spec!r}; use {DEFAULT_REASONER}, attend:FOLDER or huggingface:NAME"
    )
