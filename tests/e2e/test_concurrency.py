"""Delete, change and upsert while searching: every answer is whole, and what was deleted never comes back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.service import Service, tastespace

pytestmark = [pytest.mark.e2e, pytest.mark.weights]

WRITERS, ROUNDS = 3, 12


def write_rounds(service: Service, writer: int) -> None:
    """Each writer owns ten ids: puts, changes, and deletes the even ones, round after round."""
    with service.client() as client:
        for turn in range(ROUNDS):
            for i in range(10):
                url = f"/v1/recipes/busy-{writer}-{i}"
                recipe = {"title": f"Soup {i} of round {turn}", "ingredients": ["water", "salt"], "tags": ["busy"]}
                assert client.put(url, json=recipe).status_code in (200, 201)
                if i % 2 == 0:
                    assert client.delete(url).status_code == 204
                    assert client.get(url).status_code == 404


def search_until(service: Service, done: threading.Event) -> int:
    """Searches as fast as it can; every hit must carry a whole item."""
    searches = 0
    with service.client() as client:
        while not done.is_set():
            query = {"text": "soup", "k": 50, "filter": {"tags_all": ["busy"]}}
            response = client.post("/v1/search/recipes", json=query)
            assert response.status_code == 200, response.text
            for hit in response.json()["hits"]:
                assert hit["recipe"]["id"] == hit["id"]
                assert hit["recipe"]["tags"] == ["busy"]
            searches += 1
    return searches


def test_writing_while_searching(service: Service, client: httpx.Client) -> None:
    done = threading.Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        searchers = [pool.submit(search_until, service, done) for _ in range(2)]
        writers = [pool.submit(write_rounds, service, writer) for writer in range(WRITERS)]
        try:
            for future in writers:
                future.result(timeout=120)
        finally:
            done.set()
        assert all(future.result(timeout=60) > 0 for future in searchers)

    query = {"text": "soup", "k": 100, "filter": {"tags_all": ["busy"]}}
    found = {hit["id"] for hit in client.post("/v1/search/recipes", json=query).json()["hits"]}
    assert found == {f"busy-{writer}-{i}" for writer in range(WRITERS) for i in range(1, 10, 2)}


def test_two_processes_share_one_catalogue(tmp_path: Path) -> None:
    """What the command line writes, the running service finds, without a restart."""
    service = Service(tmp_path, builtin_catalogue="false")
    service.start()
    try:
        lines = (
            '{"id": "from-outside", "title": "Lentil soup", "ingredients": ["lentils"], "instructions": ["Boil."]}\n'
        )
        source = tmp_path / "source"
        source.mkdir()
        (source / "recipes.jsonl").write_text(lines)
        imported = tastespace(tmp_path, "import", str(source), builtin_catalogue="false")
        assert imported.returncode == 0, imported.stderr
        with service.client() as client:
            hits = client.post("/v1/search/recipes", json={"text": "lentils"}).json()["hits"]
        assert [hit["id"] for hit in hits] == ["from-outside"]
    finally:
        service.stop()
