"""The README tells the truth about settings and routes."""

from __future__ import annotations

from app.factory import create_app
from app.settings import ENV_PREFIX, Settings
from tests.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def test_every_setting_is_documented() -> None:
    missing = [name for name in Settings.model_fields if f"`{ENV_PREFIX}{name.upper()}`" not in README]
    assert not missing


def test_every_route_is_shown() -> None:
    def shown(path: str) -> bool:
        parts = [part for part in path.split("/") if part and not part.startswith("{")]
        return all(part in README for part in parts) and f"/{parts[-1]}" in README if parts else True

    paths = create_app(Settings()).openapi()["paths"]
    assert paths
    assert not [path for path in paths if not shown(path)]
