"""From a setting to a loaded generator. Importing this module imports no torch; loading does."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from models.generation.types import Generator, GeneratorUnavailableError

if TYPE_CHECKING:
    from models.generation.generator import LatentPictureGenerator
    from models.generation.generator_weights import GeneratorManifest

DEFAULT_GENERATOR = "tastespace-pictures"


def load_generator(spec: str = DEFAULT_GENERATOR, device: str = "cpu", *, encoder: str | None = None) -> Generator:
    """Load a generator.

    Args:
        spec: ``tastespace-pictures`` (ships with the code), ``latent:FOLDER`` (trained by ``tastespace train
            generator``) or ``diffusers:NAME``, such as ``diffusers:stabilityai/sd-turbo`` (fetched by diffusers, or a
            local folder).
        device: a torch device, such as ``cpu`` or ``cuda:0``.
        encoder: the fingerprint of the joint encoder whose vectors it will be given; None: not checked.

    Raises:
        GeneratorUnavailableError: with one sentence that says what is missing, or that the generator was trained on
            another encoder's vectors.
    """
    kind, _, rest = spec.partition(":")
    if kind == "diffusers" and rest:
        import_module("models.libraries")  # before all else, see there
        from models.generation.diffusion import load_diffusion

        return load_diffusion(rest, device)
    if spec == DEFAULT_GENERATOR:
        from models.generation.generator_weights import SHIPPED_PICTURES

        return load_latent_generator(SHIPPED_PICTURES, device, name=spec, encoder=encoder)
    if kind == "latent" and rest:
        return load_latent_generator(Path(rest), device, name=spec, encoder=encoder)
    raise GeneratorUnavailableError(
        f"no generator is called {spec!r}; use {DEFAULT_GENERATOR}, latent:FOLDER or diffusers:NAME"
    )


def load_latent_generator(
    folder: Path, device: str = "cpu", *, name: str = DEFAULT_GENERATOR, encoder: str | None = None
) -> LatentPictureGenerator:
    """The generator whose trained weights lie in ``folder``.

    Raises:
        GeneratorUnavailableError: weights or device are missing, changed or don't fit each other or the encoder.
    """
    import_module("models.libraries")  # before all else, see there
    import torch

    from models.generation.conditions import ConditionCentring
    from models.generation.generator import LatentPictureGenerator
    from models.generation.generator_weights import REMEDY, build_network, load_generator_weights
    from models.generation.weights import build_autoencoder, fill
    from models.joint.loading import parse_device
    from models.types import EncoderUnavailableError

    weights = load_generator_weights(folder)
    manifest = weights.manifest
    if encoder is not None and encoder != manifest.encoder:
        raise GeneratorUnavailableError(
            f"the generator in {folder} was trained on vectors of the encoder {manifest.encoder[:12]} "
            f"({manifest.encoder_name}), not of {encoder[:12]}; use that encoder, or {REMEDY}"
        )
    try:
        where = parse_device(device)
    except EncoderUnavailableError as error:
        raise GeneratorUnavailableError(str(error)) from error
    network = build_network(manifest.network)
    fill(network, weights.network, folder)
    centring = ConditionCentring(manifest.network.condition)
    fill(centring, {"means": weights.means}, folder)
    autoencoder = build_autoencoder(manifest.autoencoder, weights.autoencoder, folder)
    latents = (manifest.autoencoder.channels, manifest.autoencoder.grid)
    if (manifest.network.channels, manifest.network.grid) != latents:
        raise GeneratorUnavailableError(f"the generator in {folder} draws other latents than its autoencoder reads")
    return LatentPictureGenerator(
        network.to(where).to(memory_format=torch.channels_last),
        autoencoder.to(where),
        centring.to(where),
        manifest.sampling,
        name=name,
        fingerprint=generator_fingerprint(manifest),
        encoder=manifest.encoder,
        licence=manifest.licence,
        description=str(manifest.training.get("data", "")),
    )


def generator_fingerprint(manifest: GeneratorManifest) -> str:
    """Hex sha256 over all that decides a picture: weights, shape, sampling and encoder."""
    import hashlib
    import json
    from dataclasses import asdict

    from models.generation.generator_weights import TRAINING_FILE

    record = asdict(manifest)
    kept = {name: record[name] for name in ("backend", "network", "autoencoder", "encoder", "sampling", "format")}
    files = {name: digest for name, digest in manifest.files.items() if name != TRAINING_FILE}
    return hashlib.sha256(json.dumps({**kept, "files": files}, sort_keys=True).encode()).hexdigest()
