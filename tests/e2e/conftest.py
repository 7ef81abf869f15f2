"""One service for all tests that only read or keep to ids of their own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.service import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"))
    running.start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-4000:]


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as connected:
        yield connected
