import subprocess
import sys
from pathlib import Path

import pytest

from models.captioning.captioner import TellCaptioner
from models.captioning.loading import load_captioner
from models.captioning.types import CaptionerUnavailableError
from tests.models.captioning.samples import save_small


@pytest.mark.weights
def test_a_folder_by_its_spec(tmp_path: Path) -> None:
    save_small(tmp_path)
    captioner = load_captioner(f"tell:{tmp_path}")
    assert isinstance(captioner, TellCaptioner)
    assert captioner.info.name == "small"


@pytest.mark.parametrize("spec", ["", "poet", "tell:", "huggingface:", "coca:", "lite:x", "none"])
def test_unknown_names_are_answered_by_those_that_there_are(spec: str) -> None:
    with pytest.raises(CaptionerUnavailableError) as raised:
        load_captioner(spec)
    assert str(raised.value) == (
        f"no captioner is called {spec!r}; use tastespace-captions, tell:FOLDER, huggingface:NAME_OR_FOLDER, "
        "coca:MODEL/PRETRAINED or coca:MODEL@FILE"
    )


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaptionerUnavailableError, match="holds no captioner"):
        load_captioner(f"tell:{tmp_path}")


def test_the_registry_imports_no_torch() -> None:
    code = "import sys, models.captioning.loading; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
