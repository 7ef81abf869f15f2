"""The interactive documentation needs nothing from outside."""

from __future__ import annotations

import re

import pytest

from tests.app.conftest import Service

pytestmark = pytest.mark.anyio


async def test_the_page_loads_its_assets_from_here(service: Service) -> None:
    page = await service.client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) == 3
    for address in addresses:
        assert address.startswith("/docs/assets/")
        assert (await service.client.get(address)).status_code == 200
