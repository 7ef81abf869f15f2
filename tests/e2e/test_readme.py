"""Every curl command of the README, pasted in order, works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.service import Service
from tests.e2e.source import write_source, zip_source
from tests.paths import REPOSITORY
from tests.pictures import encode, jpeg, plate

pytestmark = [pytest.mark.e2e, pytest.mark.weights]


def curl_commands() -> list[str]:
    """The commands of the README's ``bash`` blocks; a command goes on while a quote or a backslash is open."""
    commands: list[str] = []
    for block in re.findall(r"```bash\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL):
        commands += re.split(r"\n(?=curl )", block.strip())
    return commands


def test_the_readme_can_be_pasted(service: Service, tmp_path: Path) -> None:
    (tmp_path / "dish.jpg").write_bytes(jpeg())
    (tmp_path / "other.png").write_bytes(encode(plate("green"), "PNG"))
    zip_source(write_source(tmp_path / "source", 3), tmp_path / "recipes.zip")
    commands = curl_commands()
    assert len(commands) > 25
    for command in commands:
        local = command.replace("http://127.0.0.1:8000", service.url).replace(
            "curl ", "curl --silent --fail-with-body ", 1
        )
        done = subprocess.run(
            ["bash", "-c", local], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "file.jpg").read_bytes() == jpeg()
    assert (tmp_path / "thumbnail.webp").read_bytes()[8:12] == b"WEBP"
