from __future__ import annotations

from pathlib import Path

import pytest

from app.services.library import Thumbnails
from tests.app.conftest import Service
from tests.app.fakes import picture


def test_thumbnails_are_kept_by_blob_and_size(tmp_path: Path) -> None:
    thumbnails = Thumbnails(tmp_path / "none yet")
    assert thumbnails.read("ab" * 32, 64) is None
    thumbnails.write("ab" * 32, 64, b"small")
    thumbnails.write("ab" * 32, 64, b"small")
    thumbnails.write("ab" * 32, 128, b"larger")
    assert thumbnails.read("ab" * 32, 64) == b"small"
    assert thumbnails.read("ab" * 32, 128) == b"larger"
    assert thumbnails.read("cd" * 32, 64) is None


def test_thumbnails_of_lost_pictures_are_swept(tmp_path: Path) -> None:
    thumbnails = Thumbnails(tmp_path)
    thumbnails.write("ab" * 32, 64, b"x")
    thumbnails.write("cd" * 32, 64, b"y")
    thumbnails.sweep(lambda blob: blob == "ab" * 32)
    assert thumbnails.read("ab" * 32, 64) == b"x"
    assert thumbnails.read("cd" * 32, 64) is None


@pytest.mark.anyio
async def test_a_thumbnail_is_made_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await service.put_image("i", picture("rice"))
    image = await service.runtime.library.image("i")
    first = await service.runtime.library.thumbnail(image, 64)

    def broken(*_: object) -> bytes:
        raise AssertionError("read again")

    monkeypatch.setattr(type(service.runtime.blobs), "read", broken)
    assert await service.runtime.library.thumbnail(image, 64) == first
    with pytest.raises(AssertionError, match="read again"):
        await service.runtime.library.thumbnail(image, 65)


@pytest.mark.anyio
async def test_a_remote_blob_store_is_read_through(tmp_path: Path) -> None:
    from app.settings import Settings
    from tests.app.conftest import serving

    settings = Settings(data_dir=tmp_path, builtin_catalogue=False, blob_url="memory://pictures")
    async with serving(settings) as service:
        await service.put_image("i", picture("rice"))
        response = await service.client.get("/v1/images/i/file")
        assert response.content == picture("rice")
        assert (await service.client.get("/v1/images/i/thumbnail")).status_code == 200
