"""From a setting to a loaded captioner. Importing this module imports no torch; loading does."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from models.captioning.types import Captioner, CaptionerUnavailableError

DEFAULT_CAPTIONER = "tastespace-captions"
#: The captioner that ships with the code.
SHIPPED_CAPTIONS = Path(__file__).parent.parent / "weights" / DEFAULT_CAPTIONER


def load_captioner(spec: str = DEFAULT_CAPTIONER, device: str = "cpu") -> Captioner:
    """Load a captioner.

    Args:
        spec: ``tastespace-captions`` (ships with the code), ``tell:FOLDER`` (trained by ``tastespace train
            captioner``), ``huggingface:NAME_OR_FOLDER`` (a captioner of transformers, such as
            ``Salesforce/blip-image-captioning-base``), ``coca:MODEL/PRETRAINED`` (fetched by open_clip, such as
            ``coca_ViT-B-32/mscoco_finetuned_laion2b_s13b_b90k``) or ``coca:MODEL@FILE`` (a local checkpoint).
        device: a torch device, such as ``cpu`` or ``cuda:0``.

    Raises:
        CaptionerUnavailableError: with one sentence that says what is missing.
    """
    kind, _, rest = spec.partition(":")
    if spec == DEFAULT_CAPTIONER or (kind == "tell" and rest):
        import_module("models.libraries")  # before all else, see there
        from models.captioning.tell import load_tell

        return load_tell(SHIPPED_CAPTIONS if spec == DEFAULT_CAPTIONER else Path(rest), device)
    if kind == "huggingface" and rest:
        import_module("models.libraries")  # before all else, see there
        from models.captioning.huggingface import load_huggingface

        return load_huggingface(rest, device)
    if kind == "coca" and rest:
        import_module("models.libraries")  # before all else, see there
        from models.captioning.coca import load_coca

        return load_coca(rest, device)
    raise CaptionerUnavailableError(
        f"no captioner is called {spec!r}; use {DEFAULT_CAPTIONER}, tell:FOLDER, huggingface:NAME_OR_FOLDER, "
        "coca:MODEL/PRETRAINED or coca:MODEL@FILE"
    )
