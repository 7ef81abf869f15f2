import subprocess
import sys

import pytest

from models.registry import load_encoder
from models.types import EncoderUnavailableError


@pytest.mark.parametrize("spec", ["", "clip", "lite:", "open_clip:", "tastespace-large"])
def test_an_unknown_spec_lists_what_there_is(spec: str) -> None:
    with pytest.raises(EncoderUnavailableError, match=r"use tastespace-lite, lite:FOLDER, open_clip:MODEL/PRETRAINED"):
        load_encoder(spec)


def test_a_folder_without_weights_says_so(tmp_path: object) -> None:
    with pytest.raises(EncoderUnavailableError, match=r"holds no trained encoder: manifest\.json is missing"):
        load_encoder(f"lite:{tmp_path}")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", ""])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(EncoderUnavailableError, match=f"the device '{device}' can't be used here"):
        load_encoder("tastespace-lite", device=device)


@pytest.mark.parametrize("module", ["models", "models.types", "models.preprocess", "models.registry", "models.data"])
def test_plain_modules_import_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
