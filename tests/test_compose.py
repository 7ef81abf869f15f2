"""The compose file, held to the settings that it names and to what each of its profiles starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.engine.placement import Place, WorkerAddress, parse_placement
from app.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture(scope="module")
def networks(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["networks"]
    return found


def started(services: dict[str, dict[str, Any]], profile: str) -> set[str]:
    return {name for name, service in services.items() if profile in service.get("profiles", [profile])}


def test_each_profile_starts_what_it_needs_and_the_default_is_a_cpu(services: dict[str, dict[str, Any]]) -> None:
    (default,) = re.findall(r"^COMPOSE_PROFILES=(\w+)$", (ROOT / ".env").read_text("utf-8"), re.MULTILINE)
    assert default == "cpu"
    assert started(services, "cpu") == {"tastespace"}
    assert started(services, "gpu") == {"tastespace-gpu", "worker"}
    assert started(services, "postgresql") == {"tastespace", "postgresql"}
    assert not services["tastespace"].get("deploy")


def test_the_gpu_is_reserved_and_its_models_are_placed_on_it(services: dict[str, dict[str, Any]]) -> None:
    (device,) = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    environment = "\n".join(services["tastespace-gpu"]["environment"])
    (placement,) = re.findall(r"^TASTESPACE_PLACEMENT=\$\{TASTESPACE_PLACEMENT:-(.+)\}$", environment, re.MULTILINE)
    assert parse_placement(placement) == (Place("all", "cuda:0", worker=WorkerAddress("worker", 8100)),)
    assert not services["tastespace-gpu"].get("deploy"), "the service itself needs no GPU"


def test_only_the_service_reaches_the_worker(services: dict[str, dict[str, Any]], networks: dict[str, Any]) -> None:
    worker = services["worker"]
    assert worker["command"][:2] == ["tastespace", "worker"]
    assert "ports" not in worker
    assert "expose" not in worker
    assert worker["networks"] == ["workers"]
    assert networks["workers"] == {"internal": True}
    assert [name for name, each in services.items() if "workers" in each.get("networks", [])] == [
        "tastespace-gpu",
        "worker",
    ]
    assert "8100" in worker["healthcheck"]["test"][-1], "the image's own asks for HTTP"
    for name in ("tastespace-gpu", "worker"):
        assert "TASTESPACE_WORKER_KEY" in services[name]["environment"], "by the environment, never in the file"


@pytest.mark.parametrize("name", ["tastespace", "tastespace-gpu", "worker"])
def test_the_settings_it_names_are_settings(services: dict[str, dict[str, Any]], name: str) -> None:
    named = {entry.partition("=")[0] for entry in services[name]["environment"]}
    assert named <= {f"{ENV_PREFIX}{field.upper()}" for field in Settings.model_fields}
