"""From a setting to a loaded encoder. Importing this module imports no torch; loading does."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from models.runtime.types import RuntimeChoice
from models.types import EncoderUnavailableError, JointEncoder

DEFAULT_ENCODER = "tastespace-lite"
WEIGHTS_FOLDER = Path(__file__).parent / "weights"


def load_encoder(
    spec: str = DEFAULT_ENCODER,
    *,
    device: str = "cpu",
    runtime: RuntimeChoice = "auto",
    cache: Path | None = None,
    threads: int = 0,
) -> JointEncoder:
    """Load a joint encoder.

    Args:
        spec: ``tastespace-lite`` (ships with the code), ``lite:FOLDER`` (trained by ``tastespace train joint``),
            ``open_clip:MODEL/PRETRAINED`` (fetched by open_clip) or ``open_clip:MODEL@FILE`` (a local checkpoint).
        device: a torch device, such as ``cpu`` or ``cuda:0``.
        runtime: ``auto`` is OpenVINO on a CPU and torch elsewhere; where OpenVINO can't be had or its vectors aren't
            those of torch, it is torch with a warning. ``openvino`` and ``torch`` insist.
        cache: folder of networks converted for OpenVINO, shared by any number of encoders and processes; None: each
            load converts (some ten seconds).
        threads: that OpenVINO computes with; 0: its own choice. Torch's are the process's: ``torch.set_num_threads``.

    Raises:
        EncoderUnavailableError: with one sentence that says what is missing.
    """
    kind, _, rest = spec.partition(":")
    folder = WEIGHTS_FOLDER / DEFAULT_ENCODER if spec == DEFAULT_ENCODER else Path(rest)
    if spec == DEFAULT_ENCODER or (kind == "lite" and rest):
        import_module("models.libraries")  # before all else, see there
        from models.joint.loading import load_lite

        return load_lite(folder, name=spec, device=device, runtime=runtime, cache=cache, threads=threads)
    if kind == "open_clip" and rest:
        import_module("models.libraries")  # before all else, see there
        from models.joint.open_clip_encoder import load_open_clip

        return load_open_clip(rest, device=device, runtime=runtime, cache=cache, threads=threads)
    raise EncoderUnavailableError(
        f"no encoder is called {spec!r}; use {DEFAULT_ENCODER}, lite:FOLDER, open_clip:MODEL/PRETRAINED "
        "or open_clip:MODEL@FILE"
    )
