"""From a setting to a loaded encoder. Importing this module imports no torch; loading does."""

from __future__ import annotations

from pathlib import Path

from models.types import EncoderUnavailableError, JointEncoder

DEFAULT_ENCODER = "tastespace-lite"
WEIGHTS_FOLDER = Path(__file__).parent / "weights"


def load_encoder(spec: str = DEFAULT_ENCODER, *, device: str = "cpu") -> JointEncoder:
    """Load a joint encoder.

    Args:
        spec: ``tastespace-lite`` (ships with the code), ``lite:FOLDER`` (trained by ``tastespace train joint``),
            ``open_clip:MODEL/PRETRAINED`` (fetched by open_clip) or ``open_clip:MODEL@FILE`` (a local checkpoint).
        device: a torch device, such as ``cpu`` or ``cuda:0``.

    Raises:
        EncoderUnavailableError: with one sentence that says what is missing.
    """
    kind, _, rest = spec.partition(":")
    if spec == DEFAULT_ENCODER:
        return _load_lite(WEIGHTS_FOLDER / DEFAULT_ENCODER, DEFAULT_ENCODER, device)
    if kind == "lite" and rest:
        return _load_lite(Path(rest), spec, device)
    if kind == "open_clip" and rest:
        from models.joint.open_clip_encoder import load_open_clip

        return load_open_clip(rest, device=device)
    raise EncoderUnavailableError(
        f"no encoder is called {spec!r}; use {DEFAULT_ENCODER}, lite:FOLDER, open_clip:MODEL/PRETRAINED "
        "or open_clip:MODEL@FILE"
    )


def _load_lite(folder: Path, name: str, device: str) -> JointEncoder:
    from models.joint.loading import load_lite

    return load_lite(folder, name=name, device=device)
